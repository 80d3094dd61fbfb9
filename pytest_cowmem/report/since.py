"""What of a red test's explanation is new since the baseline.

Runs in the pytest process; functions of a record. The baseline has bytes by module. So a line, a
container or an import is new by what its module grew by at most, and old where that did not grow.
"""

from collections.abc import Mapping

from pytest_cowmem.model.explanation import (
    COLLECTIONS,
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
)
from pytest_cowmem.model.metrics import GROWTH, OF_PRIVATE, PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.ranked import red_metrics

WORTH = OF_PRIVATE.absolute  # bytes from which a container or a module's growth is named


Part = Line | Collections | Container | LateImport


class Since:
    """How much of each part of a record's explanation is new.

    `grown` is the bytes that a red `private` grew by, 0 where it is not red. `tells` says whether
    the baseline tells what is new. It does where the modules that grew make up half of that. `most`
    is what one of them grew by at most, and `old` the bytes that all modules had already.
    """

    def __init__(self, record: Record, explanation: Explanation) -> None:
        red = red_metrics(record)
        self.grown = record.grown if PRIVATE in red else 0
        self._leaks = GROWTH in red
        baseline = modules_of(record) if record.failed and self.grown > 0 else None
        sizes = explanation.modules
        changed = changes(sizes, baseline)
        self.old = sum(min(sizes.get(name, 0), size) for name, size in (baseline or {}).items())
        self._modules = {name: size for name, size in changed.items() if size >= WORTH}
        self._explanation = explanation
        named = sum(self._modules.values())
        self.most = max(self._modules.values(), default=0)
        self.tells = named > 0 and 2 * named >= self.grown

    def new(self, part: Part) -> int:
        """The bytes of a part that are new: all of them where the baseline does not tell.

        So are those of a container that grows with requests, where `growth` is red.
        """
        if not self.tells or (self._leaks and isinstance(part, Container) and part.a_request):
            return part.bytes
        return min(part.bytes, max(self._modules.get(name, 0) for name in self._homes(part)))

    def _homes(self, part: Part) -> tuple[str, ...]:
        """The modules that a part's bytes may count for."""
        if isinstance(part, Collections):
            return (COLLECTIONS,)
        if isinstance(part, LateImport):
            return self._explanation.homes(part)
        return (part.module,)


def modules_of(record: Record) -> Mapping[str, int] | None:
    """The bytes by module that the baseline has of a test; None where it has none.

    A test that took next to nothing has none, and that is known.
    """
    accepted = record.accepted
    if accepted is None or (not accepted.modules and accepted.metrics.get(PRIVATE, WORTH) >= WORTH):
        return None
    return accepted.modules


def changes(sizes: Mapping[str, int], baseline: Mapping[str, int] | None) -> dict[str, int]:
    """What each module's bytes changed by since the baseline. Empty without one."""
    modules = set() if baseline is None else {*sizes, *baseline}
    return {module: sizes.get(module, 0) - (baseline or {}).get(module, 0) for module in modules}
