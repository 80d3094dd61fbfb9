"""Lay the twin's map of objects over a worker's copied pages: who lives on the lost pages.

Runs in the pytest process. What lives on a page need not have caused its loss, so reports say
"on copied pages" and not "caused". The map stays an array of integers (24 bytes an object), since a
large app has millions of objects.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pytest_cowmem.explain.pages import Pages, Regions
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import Overlay, Resident

# As zygote/trace/objects.py writes them: address, bytes, number of the type << 32 | of the module.
_RECORD_WORDS = 3
_LOW = (1 << 32) - 1
NO_MODULE = "(held by no module)"


def overlay(
    records: "array[int]",
    types: Sequence[str],
    modules: Sequence[str],
    copied: "array[int]",
    regions: Regions,
    addresses: set[int],
) -> Overlay:
    """What `records`, the map of objects, has on the pages numbered in `copied`.

    `types` and `modules` are the names that the numbers in the records stand for. The addresses of
    the objects on copied pages are added to `addresses`.
    """
    covered = array("q", bytes(8 * len(copied)))
    by_type, by_module = _Tally(), _Tally()
    places = {page: place for place, page in enumerate(copied)}
    for first in range(0, len(records), _RECORD_WORDS):
        start = records[first]
        end = start + records[first + 1]
        new = True
        for page in range(start // PAGE, (end - 1) // PAGE + 1):
            place = places.get(page)
            if place is not None:
                word = records[first + 2]
                size = min(end, (page + 1) * PAGE) - max(start, page * PAGE)
                covered[place] += size
                by_type.add(word >> 32, place, size, new)
                by_module.add(word & _LOW, place, size, new)
                if new:
                    addresses.add(start)
                new = False
    rest, empty = _rest(copied, covered, regions)
    named = [name or NO_MODULE for name in modules]
    return Overlay(len(copied), by_module.residents(named), by_type.residents(types), rest, empty)


def on_pages(records: "array[int]", pages: Iterable[int]) -> "array[int]":
    """The records of the objects that lie on some of these pages, wholly or in part."""
    wanted, found = set(pages), array("Q")
    for first in range(0, len(records), _RECORD_WORDS):
        page = records[first] // PAGE
        last = (records[first] + records[first + 1] - 1) // PAGE
        if page in wanted or (page < last and not wanted.isdisjoint(range(page, last + 1))):
            found += records[first : first + _RECORD_WORDS]
    return found


def new_bytes(
    records: "array[int]", names: Sequence[str], pages: Pages, old: set[int]
) -> dict[str, int]:
    """Bytes by name of the objects that a worker's `records` have and its twin has not.

    `old` are the addresses of the twin's objects on copied pages. A new object begins on a fresh
    page, or on a copied one at an address that is not in `old`.
    """
    fresh, copied = set(pages.fresh), set(pages.copied)
    sizes: dict[str, int] = {}
    for first in range(0, len(records), _RECORD_WORDS):
        start, size, word = records[first : first + _RECORD_WORDS]
        page = start // PAGE
        if page in fresh or (page in copied and start not in old):
            name = names[word & _LOW]
            sizes[name] = sizes.get(name, 0) + size
    return sizes


class _Tally:
    """Bytes by number, the pages they are on, and how many objects."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}
        self._objects: dict[int, int] = {}
        self._places: set[int] = set()

    def add(self, number: int, place: int, size: int, new: bool) -> None:
        """Count `size` bytes on the page at `place`; `new` where the object was not counted yet."""
        self._bytes[number] = self._bytes.get(number, 0) + size
        self._objects[number] = self._objects.get(number, 0) + new
        self._places.add(place << 32 | number)

    def residents(self, names: Sequence[str]) -> tuple[Resident, ...]:
        """What was counted, by the names that the numbers stand for, most bytes first."""
        pages = Counter(place & _LOW for place in self._places)
        return _sorted(
            Resident(names[number], size, pages[number], self._objects[number])
            for number, size in self._bytes.items()
        )


def _rest(
    copied: "array[int]", covered: "array[int]", regions: Regions
) -> tuple[tuple[Resident, ...], Mapping[str, int]]:
    """By kind of memory: the bytes that objects leave of pages, and the pages without any."""
    sizes, pages, empty = Counter[str](), Counter[str](), Counter[str]()
    for page, taken in zip(copied, covered, strict=True):
        kind = regions.at(page).kind
        left = max(0, PAGE - taken)
        if left:
            sizes[kind] += left
            pages[kind] += 1
        if not taken:
            empty[kind] += 1
    rest = _sorted(Resident(kind, size, pages[kind]) for kind, size in sizes.items())
    return rest, dict(empty)


def _sorted(residents: Iterable[Resident]) -> tuple[Resident, ...]:
    return tuple(sorted(residents, key=lambda resident: (-resident.bytes, resident.name)))
