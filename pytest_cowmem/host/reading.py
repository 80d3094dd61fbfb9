"""Read a worker at one moment, from outside. Runs in the pytest process.

The worker, its twin and its master are blocked meanwhile. A file of /proc that this kernel lacks or
refuses gives None.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pytest_cowmem.host import procfs
from pytest_cowmem.model.reading import Generation, Reading
from pytest_cowmem.zygote import pauses

T = TypeVar("T")


def read(worker: int, twin: int, table: Sequence[int], *, at_ready: bool = False) -> Reading:
    """All that is read of a worker, by the process numbers of worker and twin.

    `table` is where the worker's collections are counted. `at_ready` lets the highest resident size
    count from here.
    """
    cpu = procfs.cpu_time(worker)
    memory = procfs.memory(worker)
    resident, highest = _given(lambda: _sizes(worker, at_ready)) or (None, None)
    pages = _given(lambda: procfs.count_private_pages(worker, twin))
    copied, fresh = pages or (None, None)
    return Reading(
        private=memory.private_dirty,
        uss=memory.uss,
        cpu=cpu,
        resident=resident,
        highest=highest,
        copied=None if copied is None else copied * procfs.PAGE,
        fresh=None if fresh is None else fresh * procfs.PAGE,
        generations=tuple(_generations(table)),
    )


def _sizes(worker: int, at_ready: bool) -> tuple[int, int]:
    """Resident bytes now, and at most since ready."""
    if at_ready:
        procfs.reset_peak(worker)
        now, _ = procfs.resident(worker)
        return now, now
    return procfs.resident(worker)


def _generations(table: Sequence[int]) -> list[Generation]:
    """The rows of the table that zygote/pauses.py fills."""
    width = len(pauses.COLUMNS)
    generations = []
    for number in range(pauses.GENERATIONS):
        row = table[number * width : (number + 1) * width]
        count, cpu, longest, _, faults = row
        generations.append(Generation(count, cpu, longest, faults * procfs.PAGE))
    return generations


def _given(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except OSError:
        return None
