"""What was observed of one round, before it is turned into metrics. Runs in the pytest process."""

from dataclasses import dataclass, field
from functools import cached_property

from pytest_cowmem.model.child import Child
from pytest_cowmem.model.memory_map import MemoryMap
from pytest_cowmem.model.pause import Pauses
from pytest_cowmem.model.reading import Reading


@dataclass(frozen=True)
class Observation:
    """One round: the worker's readings at ready and at its end, and what else was noted.

    `ages` has pairs of requests served and private bytes after them, the end's last. `imports`
    names the modules imported after the fork. `recorded` says whether collections were recorded to
    the end. `gc_scale` turns this machine's GC times into the reference machine's. `master` is the
    master's resident anonymous bytes, and `mapped` those that files back. `full` is what a full
    collection in a fresh fork copies, and its CPU nanoseconds. `aged` is what the worker has for
    itself after one more full collection, where it collects. `children_ended` says whether a child
    of the worker ended within the round, and was not read. `going` names the functions of tasks
    that requests started, and that went on for long. `descendants` is what in `end` is that of all
    descendants, None where these are not measured, and `children` has each. `map` is the worker's
    memory at its end, and `pauses` its collections, where a report is to show them.
    """

    ready: Reading
    end: Reading
    ages: tuple[tuple[int, int], ...] = ()
    imports: tuple[str, ...] = ()
    requests: int = 0
    recorded: bool = True
    gc_scale: float = 1.0
    master: int | None = None
    mapped: int | None = None
    full: tuple[int, int] | None = None
    aged: int | None = None
    children_ended: bool = False
    going: tuple[str, ...] = ()
    descendants: Reading | None = None
    children: tuple[Child, ...] = ()
    map: MemoryMap | None = None
    pauses: Pauses = field(default_factory=Pauses)

    @cached_property
    def cost(self) -> Reading:
        """What the round cost: the end's reading less the one at ready."""
        return self.end - self.ready
