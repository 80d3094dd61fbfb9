"""All that is read of a process at one moment. Runs in the pytest process; no I/O."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import add, sub
from typing import Any


@dataclass(frozen=True)
class Generation:
    """The garbage collections of one generation since the worker was ready.

    `cpu` is thread CPU nanoseconds in all and `longest` those of the longest collection, both as
    this machine's clock counts them. `copied` is the bytes that collections un-shared.
    """

    collections: int
    cpu: int
    longest: int
    copied: int

    def __sub__(self, earlier: "Generation") -> "Generation":
        return Generation(
            self.collections - earlier.collections,
            self.cpu - earlier.cpu,
            self.longest,
            self.copied - earlier.copied,
        )

    def __add__(self, other: "Generation") -> "Generation":
        return Generation(
            self.collections + other.collections,
            self.cpu + other.cpu,
            max(self.longest, other.longest),
            self.copied + other.copied,
        )


@dataclass(frozen=True)
class Reading:
    """A process at one moment, in bytes and CPU nanoseconds; None where this kernel does not say.

    Subtract an earlier reading to get what happened in between. Add another process's reading to
    get both together.

    `private` is Private_Dirty, `uss` all private bytes, `resident` the resident size and `highest`
    the highest one since the worker was ready. `copied` and `fresh` divide the private pages into
    those that the twin has too and the others. `generations` is empty for a process without a
    recorder of collections.
    """

    private: int
    uss: int
    cpu: int
    resident: int | None = None
    highest: int | None = None
    copied: int | None = None
    fresh: int | None = None
    generations: tuple[Generation, ...] = ()

    def __sub__(self, earlier: "Reading") -> "Reading":
        return self._combined(earlier, sub)

    def __add__(self, other: "Reading") -> "Reading":
        return self._combined(other, add)

    def _combined(self, other: "Reading", combine: Callable[[Any, Any], Any]) -> "Reading":
        amounts: dict[str, Any] = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if field.name == "generations":
                both = mine and theirs
                amounts[field.name] = tuple(map(combine, mine, theirs)) if both else mine or theirs
            else:
                both = mine is not None and theirs is not None
                amounts[field.name] = combine(mine, theirs) if both else None
        return Reading(**amounts)
