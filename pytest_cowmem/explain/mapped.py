"""Whose a traced worker's private pages are, on a map. Runs in the pytest process; no I/O."""

from pathlib import Path

from pytest_cowmem.explain.places import is_plugins, module_of
from pytest_cowmem.explain.rows import Trace
from pytest_cowmem.host.memory_map import memory_map
from pytest_cowmem.model.memory_map import COLLECTION, COUNTS, MemoryMap


def mapped(trace: Trace, rootdir: Path) -> MemoryMap | None:
    """The map of a traced round; None where it was not drawn. The tracer's pages have no module."""
    if not trace.drawn:
        return None
    charged = trace.charged
    of_row = {
        row.number: (
            COUNTS if row.generation is None else COLLECTION,
            module_of(row.place, charged.files, rootdir),
        )
        for row in charged.rows
        if not is_plugins(row.place)
    }
    causes = {page: of_row[number] for page, number in trace.number_of.items() if number in of_row}
    return memory_map(trace.drawn, causes)
