"""Count garbage collections into memory that the pytest process shares. Runs in the worker.

There is one row of numbers a generation, however many collections there are, and one for each of
the first MOST collections. The callback takes no lock, keeps no object and adds up in place: it
does not move the figures. An object that it kept would hold an arena that the collection empties.

Times are floats, since what an integer of nanoseconds takes depends on the time: one below 2**30
goes to a list of free integers when it is done with, and a longer one to its pool (CPython 3.14,
Objects/longobject.c). So workers that were slower released an arena more or less.
"""

import gc
import mmap
import resource
import time
from collections.abc import Callable
from typing import Any

GENERATIONS = 3
COLUMNS = ("collections", "thread_s", "longest_thread_s", "longest_wall_s", "faults")
# Behind the rows of the generations: how many collections came, and a row for each that is kept.
EVENTS = GENERATIONS * len(COLUMNS)
EVENT_COLUMNS = ("process_s_at_end", "generation", "thread_s")
MOST = 1000
# Behind all that: thread clock, wall clock and faults when a collection began.
BEGUN = EVENTS + 1 + MOST * len(EVENT_COLUMNS)
TABLE_BYTES = 8 * (BEGUN + 3)

_FROZEN_BY_PYTHON = gc.get_freeze_count()  # before the app; 375 on CPython 3.12.1, else 0

_record: "Callable[[str, dict[str, Any]], None] | None" = None


def recorder(table: "memoryview[float]") -> Callable[[str, dict[str, Any]], None]:
    """A callback for `gc.callbacks` that adds each collection to `table`.

    The table has GENERATIONS rows of COLUMNS, 8-byte floats, and then what EVENTS and BEGUN say.
    Times are seconds; `faults` are minor page faults (getrusage(2)).
    """
    thread_clock, wall_clock = time.thread_time, time.perf_counter
    process_clock = time.process_time
    usage, who = resource.getrusage, resource.RUSAGE_THREAD
    width, last = len(COLUMNS), GENERATIONS - 1
    events, event_width, most = EVENTS, len(EVENT_COLUMNS), MOST
    thread_begun, wall_begun, faults_before = BEGUN, BEGUN + 1, BEGUN + 2

    def record(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            table[faults_before] = usage(who).ru_minflt
            table[wall_begun] = wall_clock()
            table[thread_begun] = thread_clock()
            return
        thread = thread_clock() - table[thread_begun]
        wall = wall_clock() - table[wall_begun]
        faults = usage(who).ru_minflt - table[faults_before]
        generation = min(info.get("generation", last), last)
        row = width * generation
        table[row] += 1
        table[row + 1] += thread
        if thread > table[row + 2]:
            table[row + 2] = thread
        if wall > table[row + 3]:
            table[row + 3] = wall
        table[row + 4] += faults
        if table[events] < most:
            at = events + 1 + int(table[events]) * event_width
            table[at] = process_clock()
            table[at + 1] = generation
            table[at + 2] = thread
        table[events] += 1

    return record


def shared_table(fd: int) -> "memoryview[float]":
    """Map the table behind `fd`, TABLE_BYTES long."""
    return table_in(mmap.mmap(fd, TABLE_BYTES))


def table_in(memory: mmap.mmap) -> "memoryview[float]":
    """The table in mapped memory."""
    return memoryview(memory).cast("d")


def clear(table: "memoryview[float]") -> None:
    """Empty the table, in the pytest process.

    A page that it has mapped too is a shared one, which counts for no worker.
    """
    table.cast("B")[:] = bytes(table.nbytes)


def arm(table: "memoryview[float]") -> None:
    """Start recording, after a first call whose own faults do not count as a collection's."""
    global _record
    _record = record = recorder(table)
    record("start", {})
    record("stop", {})
    for index in range(EVENTS + 1):
        table[index] = 0.0
    gc.callbacks.append(record)


def has_frozen() -> bool:
    """Whether the app has frozen objects."""
    return gc.get_freeze_count() > _FROZEN_BY_PYTHON


def start_phase() -> None:
    """Have the collector's counts start at zero, whatever was allocated before.

    Else what a worker un-shares would jump where a full collection happens to be due at the fork.
    Freezing and unfreezing moves all objects into the oldest generation, and touches 4 to 16 pages
    (CPython 3.11 to 3.15; Modules/gcmodule.c, Python/gc.c). It would undo an app's own freeze,
    after which few objects are left for a collection.
    """
    if has_frozen():
        gc.collect()
    else:
        gc.freeze()
        gc.unfreeze()


def armed() -> bool:
    """Whether collections are still recorded; an app may clear `gc.callbacks`."""
    return any(callback is _record for callback in gc.callbacks)


def full_collection() -> "tuple[int, int]":
    """Bytes that one full collection un-shares, and its thread CPU nanoseconds.

    Runs in a throwaway fork, whose pages all are shared. The bytes are page faults (getrusage(2)).
    """
    gc.disable()
    faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    begun = time.thread_time_ns()
    gc.collect()
    spent = time.thread_time_ns() - begun
    faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - faults
    return faults * mmap.PAGESIZE, spent


def calibrate(objects: int = 100_000, repeats: int = 7) -> int:
    """Thread CPU nanoseconds of one collection of `objects` lists, the least of `repeats`.

    Runs in a throwaway fork, since it freezes all other objects.
    """
    gc.disable()
    gc.freeze()
    kept = [[None] for _ in range(objects)]
    spent = []
    for _ in range(repeats):
        begun = time.thread_time_ns()
        gc.collect()
        spent.append(time.thread_time_ns() - begun)
    assert len(kept) == objects  # keeps them alive until here
    return min(spent)
