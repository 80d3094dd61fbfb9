"""Lay the twin's map of objects over a worker's copied pages: who lives on the pages that were lost. Runs in the pytest process.

What lives on a page did not necessarily cause its loss: say "on copied pages", never "caused". Records stay in an array (24 bytes each).
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_cowmem.host.pages import Pages, Regions
from pytest_cowmem.host.procfs import PAGE

_RECORD_WORDS = 3  # as zygote/trace/objects.py writes them: address, bytes, type << 32 | module
_LOW = (1 << 32) - 1
NO_MODULE = "(held by no module)"


@dataclass(frozen=True)
class Resident:
    """A module, type or kind of memory: its bytes on copied pages, and the number of copied pages it has some on."""

    name: str
    bytes: int
    pages: int
    objects: int = 0  # and parts of objects that lie apart, as a dictionary's table of keys does


@dataclass(frozen=True)
class Overlay:
    """What lies on the copied pages, largest first.

    `modules` and `types` each divide the objects' bytes; `rest` divides the others by kind of memory: free space and headers, memory of C
    code, the stack and so on. `empty` counts the pages without any object, by kind.
    """

    pages: int
    modules: tuple[Resident, ...]
    types: tuple[Resident, ...]
    rest: tuple[Resident, ...]
    empty: Mapping[str, int]


def overlay(
    records: "array[int]",
    types: Sequence[str],
    modules: Sequence[str],
    copied: "array[int]",
    regions: Regions,
    addresses: set[int],
) -> Overlay:
    """Lay `records` over the pages `copied`; `types` and `modules` are the names that the numbers in the records stand for.

    `addresses` is given those of what lies there.
    """
    covered = array("q", bytes(8 * len(copied)))
    by_type, by_module = _Tally(), _Tally()
    places = {page: index for index, page in enumerate(copied)}
    for first in range(0, len(records), _RECORD_WORDS):
        start = records[first]
        end = start + records[first + 1]
        new = True
        for page in range(start // PAGE, (end - 1) // PAGE + 1):
            index = places.get(page)
            if index is not None:
                word = records[first + 2]
                size = min(end, (page + 1) * PAGE) - max(start, page * PAGE)
                covered[index] += size
                by_type.add(word >> 32, index, size, new)
                by_module.add(word & _LOW, index, size, new)
                if new:
                    addresses.add(start)
                new = False
    rest, empty = _rest(copied, covered, regions)
    named = [name or NO_MODULE for name in modules]
    return Overlay(len(copied), by_module.residents(named), by_type.residents(types), rest, empty)


def new_bytes(
    records: "array[int]", names: Sequence[str], pages: Pages, old: set[int]
) -> dict[str, int]:
    """Bytes by name of what a worker's `records` have and its twin has not: on fresh pages, or on copied ones where none of `old` lies."""
    fresh, copied = set(pages.fresh), set(pages.copied)
    sums: dict[str, int] = {}
    for first in range(0, len(records), _RECORD_WORDS):
        start, size, word = records[first : first + _RECORD_WORDS]
        if start // PAGE in fresh or (start // PAGE in copied and start not in old):
            name = names[word & _LOW]
            sums[name] = sums.get(name, 0) + size
    return sums


class _Tally:
    """Bytes by number, the pages they are on, and how many objects."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}
        self._objects: dict[int, int] = {}
        self._places: set[int] = set()

    def add(self, number: int, place: int, size: int, new: bool) -> None:
        self._bytes[number] = self._bytes.get(number, 0) + size
        self._objects[number] = self._objects.get(number, 0) + new
        self._places.add(place << 32 | number)

    def residents(self, names: Sequence[str]) -> tuple[Resident, ...]:
        pages: dict[int, int] = {}
        for place in self._places:
            pages[place & _LOW] = pages.get(place & _LOW, 0) + 1
        return _sorted(
            Resident(names[number], size, pages[number], self._objects[number])
            for number, size in self._bytes.items()
        )


def _rest(
    copied: "array[int]", covered: "array[int]", regions: Regions
) -> tuple[tuple[Resident, ...], dict[str, int]]:
    """What the objects leave of each page, by the kind of memory it is; how many pages have no object, by the same."""
    sizes: dict[str, int] = {}
    pages: dict[str, int] = {}
    empty: dict[str, int] = {}
    for page, taken in zip(copied, covered, strict=True):
        kind = regions.at(page).kind
        left = max(0, PAGE - taken)
        if left:
            sizes[kind] = sizes.get(kind, 0) + left
            pages[kind] = pages.get(kind, 0) + 1
        if not taken:
            empty[kind] = empty.get(kind, 0) + 1
    return _sorted(Resident(kind, size, pages[kind]) for kind, size in sizes.items()), empty


def _sorted(residents: Iterable[Resident]) -> tuple[Resident, ...]:
    return tuple(sorted(residents, key=lambda resident: (-resident.bytes, resident.name)))
