"""Lay the twin's map of objects over a worker's copied pages: who lives on the lost pages.

Runs in the pytest process. What lives on a page need not have caused its loss, so reports say
"on copied pages" and not "caused". The map stays an array of integers (24 bytes an object), since a
large app has millions of objects.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pytest_cowmem.explain.pages import Pages
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.regions import Regions
from pytest_cowmem.model.explanation import Overlay, Resident

# As zygote/trace/objects.py writes them: address, bytes, number of the type << 32 | of the module.
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
    places = {page: place for place, page in enumerate(copied)}
    tallies = _tallies(records, places, covered, addresses)
    by_type = _residents(tallies, types, lambda word: word >> 32)
    named = [name or NO_MODULE for name in modules]
    by_module = _residents(tallies, named, lambda word: word & _LOW)
    return Overlay(len(copied), by_module, by_type, *_rest(copied, covered, regions))


def _tallies(
    records: "array[int]", places: Mapping[int, int], covered: "array[int]", addresses: set[int]
) -> "dict[int, _Tally]":
    """What records have on pages, by their last word.

    `places` has the page's number, and its index in `covered`, where bytes are added up.
    """
    tallies: dict[int, _Tally] = defaultdict(_Tally)
    for start, size, word in _triples(records):
        first, last = start // PAGE, (start + size - 1) // PAGE
        if first == last:  # most are, so these take no detour
            if first not in places:
                continue
            tally, place = tallies[word], places[first]
            tally.bytes += size
            tally.places.add(place)
            covered[place] += size
        elif found := places.keys() & range(first, last + 1):
            tally = tallies[word]
            for page in found:
                part = min(start + size, (page + 1) * PAGE) - max(start, page * PAGE)
                tally.bytes += part
                tally.places.add(places[page])
                covered[places[page]] += part
        else:
            continue
        tally.objects += 1
        addresses.add(start)
    return tallies


def _triples(records: "array[int]") -> Iterator[tuple[int, int, int]]:
    """The words of each record."""
    words = iter(records)
    return zip(words, words, words, strict=True)


def on_pages(records: "array[int]", pages: Iterable[int]) -> "array[int]":
    """The records of the objects that lie on some of these pages, wholly or in part."""
    wanted, found = set(pages), array("Q")
    for record in _triples(records):
        start, size, _ = record
        page = start // PAGE
        if page not in wanted:
            last = (start + size - 1) // PAGE
            if page == last or wanted.isdisjoint(range(page, last + 1)):
                continue
        found.extend(record)
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
    for start, size, word in _triples(records):
        page = start // PAGE
        if page in fresh or (page in copied and start not in old):
            name = names[word & _LOW]
            sizes[name] = sizes.get(name, 0) + size
    return sizes


class _Tally:
    """Bytes, how many objects, and the places of the pages that they are on."""

    __slots__ = ("bytes", "objects", "places")

    def __init__(self) -> None:
        self.bytes = self.objects = 0
        self.places: set[int] = set()


def _residents(
    tallies: Mapping[int, _Tally], names: Sequence[str], number_of: Callable[[int], int]
) -> tuple[Resident, ...]:
    """What was counted, added up by a number in the records' words; `names` has what it means."""
    sums: dict[int, _Tally] = defaultdict(_Tally)
    for word, tally in tallies.items():
        total = sums[number_of(word)]
        total.bytes += tally.bytes
        total.objects += tally.objects
        total.places |= tally.places
    return _sorted(
        Resident(names[number], total.bytes, len(total.places), total.objects)
        for number, total in sums.items()
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
