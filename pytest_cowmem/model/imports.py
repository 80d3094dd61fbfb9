"""What imports cost, as a tree. Runs in the process of a command; no I/O."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any


@dataclass(frozen=True)
class Import:
    """One import, and those that it pulled in. `bytes` is what all of them cost."""

    module: str
    bytes: int
    within: "tuple[Import, ...]" = ()

    @property
    def own(self) -> int:
        """The bytes without those that it pulled in."""
        return self.bytes - sum(one.bytes for one in self.within)

    @property
    def most(self) -> int:
        """The most bytes that this one or any within took, or gave back."""
        return max([abs(self.bytes), *(one.most for one in self.within)])

    def walk(
        self, key: "Callable[[Import], int]", depth: int = 0
    ) -> "Iterator[tuple[int, Import]]":
        """(depth, import) of this one and of all within; where `key` is most comes first."""
        yield depth, self
        for one in sorted(self.within, key=key, reverse=True):
            yield from one.walk(key, depth + 1)

    def by_module(self) -> "tuple[Counter[str], Counter[str]]":
        """(the bytes of each module with what it pulled in, those of each itself)."""
        with_imports: Counter[str] = Counter()
        itself: Counter[str] = Counter()
        for _, one in self.walk(attrgetter("bytes")):
            with_imports[one.module] += one.bytes
            itself[one.module] += one.own
        return with_imports, itself

    def as_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        within = [one.as_json() for one in self.within]
        return {"module": self.module, "bytes": self.bytes, "own": self.own, "imports": within}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Import":
        """What `as_json` returned. KeyError or TypeError for anything else."""
        within = tuple(cls.from_json(one) for one in told["imports"])
        return cls(str(told["module"]), int(told["bytes"]), within)
