"""The answers of a traced round, with a name for each part. Runs in the pytest process; no I/O.

The worker sends plain tuples and counts pages (zygote/trace/lines.py); here they become bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from pytest_cowmem.host.memory_map import Stretch
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import Overlay
from pytest_cowmem.zygote.trace.faults import CALLED

NOTHING = Overlay(0, (), (), (), {})


class Importing(NamedTuple):
    """What was being imported: the module that a statement named, and the one that was loaded."""

    by: str
    module: str


class Place(NamedTuple):
    """The place of a page fault.

    `path`, `line` and `function` are the app's, (None, 0, "") where none of it was on the stack.
    `library`, `library_line` and `library_function` ran under it, the same where none did.
    """

    path: str | None
    line: int
    function: str
    library: str | None
    library_line: int
    library_function: str
    importing: Importing | None

    @classmethod
    def of(cls, words: Sequence[Any]) -> "Place":
        """The place in a row of the worker's, which gives it in seven words."""
        *lines, importing = words
        path, line, function, library, library_line, library_function = lines
        importing = Importing(*importing) if importing else None
        return cls(path, line, function, library, library_line, library_function, importing)


class Row(NamedTuple):
    """What was charged at once to a place, or to a collection that came there, in bytes.

    `generation` is the collection's, None for a line, and `called` says that code asked for it.
    `number` is the row's in the worker's log. `late` is whether it came after the mark.
    `bytes` are private at the end, `copied` the part on pages that the twin has too, and `gone` was
    given back.
    """

    place: Place
    generation: int | None
    late: bool
    bytes: int
    copied: int
    gone: int
    called: bool = False
    number: int = -1


@dataclass(frozen=True)
class Account:
    """What a traced worker charged to its lines and collections.

    `files` maps the files that the rows name to their modules, as far as the worker knows them.
    `collects` is whether the garbage collector was on at the end. `unseen` is the bytes that came
    where nobody listened, and `tracer` those that tracing itself made private. `turned_on` is the
    file and line that first called gc.enable(), None for none. `uncompiled` names the modules that
    have no byte code on disk.
    """

    rows: tuple[Row, ...]
    files: Mapping[str, str]
    collects: bool
    unseen: int
    tracer: int
    turned_on: tuple[str, int] | None = None
    uncompiled: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, account: Mapping[str, Any], private: Counter[int], copied: Counter[int], left: int
    ) -> Self:
        """The account that `disarm` of zygote/trace/lines.py gave.

        `private` counts each row's pages at the end, `copied` those of them that the twin has, and
        `left` is how many are no row's: what nobody listened to, and the tracer's own.
        """
        rows = [
            Row(
                Place.of(place),
                collection % CALLED - 1 if collection else None,
                late,
                private[number] * PAGE,
                copied[number] * PAGE,
                (faults - private[number]) * PAGE,
                collection >= CALLED,
                number,
            )
            for number, collection, late, faults, *place in account["rows"]
        ]
        unseen = account["unseen"] * PAGE
        tracer = max(0, left * PAGE - unseen)
        return cls(
            tuple(rows),
            account["files"],
            account["collects"],
            unseen,
            tracer,
            account["turned_on"],
            frozenset(account["uncompiled"]),
        )


def reading(rows: Iterable[Row]) -> tuple[Place | None, set[int]]:
    """The line of the app that copied most, and the numbers of its rows; None and none without one.

    What was imported there does not count.
    """
    copied, numbers = Counter[tuple[str, int]](), defaultdict[tuple[str, int], set[int]](set)
    places = {}
    for row in rows:
        place = row.place
        if place.path and row.generation is None and not place.importing:
            at = place.path, place.line
            places[at] = place
            copied[at] += row.copied
            numbers[at].add(row.number)
    for at, size in copied.most_common(1):
        if size:
            return places[at], numbers[at]
    return None, set()


class Growth(NamedTuple):
    """How a container grew: entries at the fork and at the end, and the bytes that are new in it.

    `path` and `line` are where the app fills it, "" and 0 where that is unknown.
    """

    before: int
    after: int
    bytes: int
    path: str
    line: int


@dataclass(frozen=True)
class Trace:
    """All that a traced round gave.

    `warm` counts the requests before the mark that begins the steady state, None without a mark.
    `containers` has those that grew, by name. `loaded` names the zygote's modules. `reader` is a
    place in the app that copied more than its other lines, None for none, and `read` what lies on
    the pages that it copied. Where a report is to show the worker's memory, `drawn` is that, and
    `number_of` has the number of the row that made each private page so, -1 for none.
    """

    requests: int
    warm: int | None
    charged: Account
    objects: Overlay
    containers: Mapping[str, Growth]
    loaded: frozenset[str]
    reader: Place | None = None
    read: Overlay = NOTHING
    drawn: Sequence[Stretch] = ()
    number_of: Mapping[int, int] = field(default_factory=dict)

    @property
    def tells_warm_up(self) -> bool:
        """Whether requests came after the mark, so that `late` bytes mean something."""
        return self.warm is not None and self.warm < self.requests
