"""The answers of a traced round, with a name for each part. Runs in the pytest process; no I/O.

The worker sends plain tuples and counts pages (zygote/trace/lines.py); here they become bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import Overlay


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


class LineRow(NamedTuple):
    """The bytes that page faults made private at a place; `late` of them came after the mark."""

    place: Place
    late: int
    bytes: int


class CollectionRow(NamedTuple):
    """Collections of one generation that came at a place, and the bytes they made private."""

    generation: int
    place: Place
    times: int
    bytes: int


@dataclass(frozen=True)
class Account:
    """What a traced worker charged to its lines and collections.

    `files` maps the files that the rows name to their modules, as far as the worker knows them.
    `collects` is whether the garbage collector was on at the end. `unseen` is the bytes that came
    where nobody listened.
    """

    lines: tuple[LineRow, ...]
    collections: tuple[CollectionRow, ...]
    files: Mapping[str, str]
    collects: bool
    unseen: int

    @classmethod
    def of(cls, account: Mapping[str, Any]) -> "Account":
        """The account that `disarm` of zygote/trace/lines.py gave, in bytes instead of pages."""
        return cls(
            tuple(_line_row(*row) for row in account["lines"]),
            tuple(_collection_row(*row) for row in account["collections"]),
            account["files"],
            account["collects"],
            account["unseen"] * PAGE,
        )


def _line_row(*row: Any) -> LineRow:
    *place, late, pages = row
    return LineRow(Place.of(place), late * PAGE, pages * PAGE)


def _collection_row(*row: Any) -> CollectionRow:
    generation, *place, times, pages = row
    return CollectionRow(generation, Place.of(place), times, pages * PAGE)


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
    `containers` has those that grew, by name. `loaded` names the zygote's modules.
    """

    requests: int
    warm: int | None
    charged: Account
    objects: Overlay
    containers: Mapping[str, Growth]
    loaded: frozenset[str]

    @property
    def tells_warm_up(self) -> bool:
        """Whether requests came after the mark, so that `late` bytes mean something."""
        return self.warm is not None and self.warm < self.requests
