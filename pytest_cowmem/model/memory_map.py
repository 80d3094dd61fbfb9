"""A worker's memory, page by page, as one round left it. Runs in the pytest process; no I/O."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

SHARED = "shared"
COUNTS = "copied by counts or writes"
COLLECTION = "copied by a collection"
COPIED = "copied"  # by what is not known
FRESH = "fresh"
READY = "its own when it was ready"
ABSENT = "not resident"

_LETTERS = {
    SHARED: "s",
    COUNTS: "w",
    COLLECTION: "g",
    COPIED: "c",
    FRESH: "f",
    READY: "r",
    ABSENT: "a",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}
_RUN = re.compile(r"([a-z])(\d*)(?::(\d+))?")


class Run(NamedTuple):
    """`pages` neighbours in one `state`: one of the names above.

    `module` is whose they are: that of the line of the app that made them private, or at which the
    collection came, or else the library. "" where that is not known.
    """

    pages: int
    state: str
    module: str = ""


class MappedRegion(NamedTuple):
    """Memory of one kind (host/regions.py), and the runs of its pages in the order of addresses.

    `name` is the base name of the file that it maps, "" for none.
    """

    kind: str
    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class MemoryMap:
    """A worker's regions in the order of addresses; `page` is the bytes of a page.

    It is small, since a report has one for each test. `coded` has (kind, name, runs) of each
    region, with all of its runs in one text: for each the state's letter, the number of pages if it
    is not 1, and ":" with the module's index in `modules` if that is known. So "s12w3:0f" is 12
    shared pages, 3 that the first module copied by counts or writes, and a fresh one. The letters:
    s shared, w counts or writes, g collection, c copied, f fresh, r its own when ready, a absent.
    """

    page: int
    modules: tuple[str, ...]
    coded: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, page: int, regions: Iterable[MappedRegion]) -> "MemoryMap":
        """The map of these regions; neighbours of one kind and name become one, and so do runs."""
        numbers: dict[str, int] = {}
        coded = []
        for (kind, name), alike in groupby(regions, lambda region: (region.kind, region.name)):
            runs = [run for region in alike for run in region.runs if run.pages]
            coded.append((kind, name, "".join(_coded(runs, numbers))))
        return cls(page, tuple(numbers), tuple(coded))

    @cached_property
    def regions(self) -> tuple[MappedRegion, ...]:
        """The regions, decoded."""
        return tuple(
            MappedRegion(kind, name, tuple(self._decoded(text))) for kind, name, text in self.coded
        )

    def _decoded(self, text: str) -> Iterator[Run]:
        for letter, pages, module in _RUN.findall(text):
            name = self.modules[int(module)] if module else ""
            yield Run(int(pages or 1), _STATES[letter], name)


def _coded(runs: Iterable[Run], numbers: dict[str, int]) -> Iterator[str]:
    """The text of each run; a module that is new gets the next number."""
    for (state, module), alike in groupby(runs, lambda run: (run.state, run.module)):
        pages = sum(run.pages for run in alike)
        count = "" if pages == 1 else str(pages)
        whose = f":{numbers.setdefault(module, len(numbers))}" if module else ""
        yield f"{_LETTERS[state]}{count}{whose}"
