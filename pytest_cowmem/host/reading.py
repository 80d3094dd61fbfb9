"""Read a worker at one moment, from outside. Runs in the pytest process.

The worker, its twin and its master are blocked meanwhile. A file of /proc that this kernel lacks or
refuses gives None.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pytest_cowmem.host import procfs
from pytest_cowmem.model.pause import Pauses
from pytest_cowmem.model.reading import Generation, Reading
from pytest_cowmem.zygote import pauses

T = TypeVar("T")


def read(worker: int, twin: int, table: Sequence[float], *, at_ready: bool = False) -> Reading:
    """All that is read of a worker, by the process numbers of worker and twin.

    `table` is where the worker's collections are counted. `at_ready` lets the highest resident size
    count from here.
    """
    cpu = procfs.cpu_time(worker)
    memory = procfs.memory(worker)
    resident, highest = given(lambda: _sizes(worker, at_ready)) or (None, None)
    pages = given(lambda: procfs.count_private_pages(worker, twin))
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


def _generations(table: Sequence[float]) -> list[Generation]:
    """The rows of the table that zygote/pauses.py fills."""
    width = len(pauses.COLUMNS)
    generations = []
    for number in range(pauses.GENERATIONS):
        row = table[number * width : (number + 1) * width]
        count, cpu, longest, _, faults = row
        generations.append(
            Generation(
                int(count), _nanoseconds(cpu), _nanoseconds(longest), int(faults) * procfs.PAGE
            )
        )
    return generations


def pauses_since(ready: Reading, worker: int, table: Sequence[float], scale: float) -> Pauses:
    """The collections of a worker since it was ready.

    `scale` turns this machine's times into the reference machine's.
    """

    def scaled(cpu: int) -> int:
        return round(cpu * scale)

    width, count = len(pauses.EVENT_COLUMNS), int(table[pauses.EVENTS])
    kept = min(count, pauses.MOST)
    events = []
    for number in range(kept):
        first = pauses.EVENTS + 1 + number * width
        end, generation, cpu = table[first : first + width]
        at = _nanoseconds(end)
        if at > ready.cpu:
            events.append((scaled(at - ready.cpu), int(generation), scaled(_nanoseconds(cpu))))
    whole = scaled(procfs.cpu_time(worker) - ready.cpu)
    return Pauses(tuple(events), whole, count - kept)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def given(read: Callable[[], T]) -> T | None:
    """What a reader returns; None where the kernel does not say."""
    try:
        return read()
    except OSError:
        return None
