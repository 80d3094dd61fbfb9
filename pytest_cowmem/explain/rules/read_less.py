"""A line reads or writes many shared objects. Runs in the pytest process; no I/O."""

from collections.abc import Iterator

from pytest_cowmem.explain.case import WORTH, Case, Proposal
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import Line
from pytest_cowmem.model.units import render


def read_less(case: Case) -> Iterator[Proposal]:
    """The line that copied most did so on pages that objects of one module fill.

    Where they do not, new objects fill free space there, or it is data without objects.
    """
    line, objects = case.reader, case.read
    if line is None or not objects.modules or case.is_old(line.module):
        return
    size, module, kind = _copied_by(case, line), objects.modules[0], objects.types[0]
    if size >= WORTH and module.bytes > size / 2:
        text = (
            f"{line.place} reads or writes shared objects, which copied {render(size, 'bytes')} of "
            f"pages: {module.objects:,} objects of {module.name} lie there, and "
            f"{kind.objects:,} of type {kind.name}; touch fewer, or keep what it needs in one array"
        )
        yield Proposal("read less", text, line.module, subjects=(line.place,))


def _copied_by(case: Case, line: Line) -> int:
    """Bytes of a line that can only be copies of shared pages with objects."""
    with_objects = (case.read.pages - sum(case.read.empty.values())) * PAGE
    return min(line.copied - case.imported(line), with_objects)
