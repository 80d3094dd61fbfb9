"""The garbage collections of one round, on a line of time. Runs in the pytest process; no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple


class Pause(NamedTuple):
    """A collection of a `generation` that took `cpu` nanoseconds, and ended `at`.

    `at` is CPU nanoseconds of all the worker's threads since it was ready. The wall clock would
    show how long the test and the readings took, with the worker idle.
    """

    at: int
    generation: int
    cpu: int


@dataclass(frozen=True)
class Pauses:
    """A round's collections in order; iterate over it for each as a `Pause`.

    `events` has (at, generation, cpu) of each. `cpu` is the nanoseconds of the whole round, and
    `more` counts the collections after those that are kept. All times are the reference machine's,
    as `gc_pause` is.
    """

    events: tuple[tuple[int, int, int], ...] = ()
    cpu: int = 0
    more: int = 0

    def __iter__(self) -> Iterator[Pause]:
        return starmap(Pause, self.events)

    def __len__(self) -> int:
        return len(self.events)
