"""Why a test's worker lost shared pages, as data. Runs in the pytest process; no I/O.

`cow_worker.explain()` returns an `Explanation`, and reports are made of it. All amounts are bytes.
Paths are relative to the rootdir, and those of libraries to where they are installed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pytest_cowmem.model.memory_map import MemoryMap
from pytest_cowmem.model.metrics import PRIVATE

NOWHERE = "no line of the app"
COLLECTIONS = "(collections)"  # their place among modules


def _place(path: str, line: int, otherwise: str) -> str:
    """`path:line`, or `otherwise` where the path is empty."""
    return f"{path}:{line}" if path else otherwise


@dataclass(frozen=True)
class Line:
    """A source line of the app, and the bytes that it made private and that were so at the end.

    The bytes include the libraries that the line calls, and leave out garbage collections. `late`
    is the part of them that came after the first third of the requests, `copied` the part on pages
    that the twin has too. `gone` is what the line took and was given back. `module` is the line's
    module. `beside` holds the lines of libraries that ran under it, as (path:line function, bytes),
    most first.

    Where none of the app's code was on the stack, or where it only passed the request on, `path`
    and `function` are "", `line` is 0, and `module` is the library.
    """

    path: str
    line: int
    function: str
    module: str
    bytes: int
    late: int
    copied: int
    gone: int
    beside: tuple[tuple[str, int], ...]

    @property
    def place(self) -> str:
        """`path:line`, or the library in brackets that ran outside of the app."""
        return _place(self.path, self.line, f"({self.module})")


@dataclass(frozen=True)
class Collections:
    """Garbage collections of one generation that came at one line of the app, and the bytes that
    they made private and that were so at the end.

    `called` says that they did not come by themselves: the line, or a library under it, asked for
    them, as gc.collect() does. Where none of the app's code was on the stack, `path` is "", `line`
    is 0, and `module` is the library that ran.
    """

    path: str
    line: int
    module: str
    generation: int
    times: int
    bytes: int
    called: bool = False

    @property
    def place(self) -> str:
        """`path:line`, or that it was no line of the app."""
        return _place(self.path, self.line, NOWHERE)


@dataclass(frozen=True)
class Container:
    """A container that has more entries at the worker's end than at the fork.

    `name` is where it hangs, `module` the module that has it. `before` and `after` count its
    entries, and `bytes` is what is new in it. `path:line` is where the app fills it; "" and 0 where
    that is unknown. The `unit` is "bytes" of a text, whose bytes are counted.

    `a_request` is how many entries more it has after each request, and `bytes_a_request` what they
    take; 0 where it does not grow with requests, or where nothing leaks. `bound` is the most
    entries that such a container can have, 0 where nothing says so.
    """

    name: str
    module: str
    before: int
    after: int
    bytes: int
    path: str
    line: int
    unit: str = "entries"
    a_request: float = 0.0
    bytes_a_request: int = 0
    bound: int = 0

    @property
    def place(self) -> str:
        """`path:line`, or nothing."""
        return _place(self.path, self.line, "")


@dataclass(frozen=True)
class LateImport:
    """A module imported after the fork, and its own bytes: those of what it imports in turn are not
    included.

    `by` is the module that the import statement named. `path:line` is where the app has that
    statement; "" and 0 where a library has it, or where it took no bytes itself.
    """

    module: str
    by: str
    path: str
    line: int
    bytes: int

    @property
    def place(self) -> str:
        """`path:line`, or nothing."""
        return _place(self.path, self.line, "")


def by_statement(imports: Iterable[LateImport]) -> list[LateImport]:
    """One late import for each import statement, most first, with the bytes of all it led to."""
    sizes: dict[tuple[str, str, int], int] = defaultdict(int)
    for late in imports:
        sizes[late.by, late.path, late.line] += late.bytes
    statements = [LateImport(by, by, path, line, size) for (by, path, line), size in sizes.items()]
    return sorted(statements, key=lambda statement: (-statement.bytes, statement.by))


@dataclass(frozen=True)
class Resident:
    """A module, type or kind of memory with its bytes on copied pages, and the number of copied
    pages that it has some on.

    `objects` counts its objects, and the parts of objects that lie apart, such as a dictionary's
    table of keys.
    """

    name: str
    bytes: int
    pages: int
    objects: int = 0


@dataclass(frozen=True)
class Overlay:
    """What lies on the copied pages, most first.

    `pages` counts them. `modules` and `types` each divide the bytes of the objects there. `rest`
    divides the other bytes by kind of memory: free space and headers, memory of C code, the stack.
    `empty` counts the pages without any object, by kind of memory.
    """

    pages: int
    modules: tuple[Resident, ...]
    types: tuple[Resident, ...]
    rest: tuple[Resident, ...]
    empty: Mapping[str, int]


@dataclass(frozen=True)
class Advice:
    """What to do, by the name of its rule.

    `gain` is what was measured: private bytes without it, minus private bytes where it was tried.
    None where it was not tried, or where most of that is none of what the advice is about. `about`
    has the containers, imported modules or `path:line` that it is about.
    """

    rule: str
    text: str
    gain: int | None
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The causes of a test's private bytes.

    `measured` holds the measured rounds' values by metric. All else is of one traced round.

    `explained` is the sum of lines and collections, and `gone` what came and went beside it.
    `modules` has the same sum as `explained`; collections have a name of their own there, and what
    containers keep counts for the module that has them. `tracer` is what tracing and serving made
    private. `unseen` is what came where the tracer did not listen, for instance in threads of C
    code. `objects` says what lies on the copied pages, which need not be what caused their loss.
    `more` has types of objects, and how many more there are after each request, where one leaks.
    `map` is the traced worker's memory at its end, where a report is to show it.
    """

    measured: Mapping[str, int]
    explained: int
    gone: int
    tracer: int
    unseen: int
    lines: tuple[Line, ...]
    collections: tuple[Collections, ...]
    imports: tuple[LateImport, ...]
    containers: tuple[Container, ...]
    modules: Mapping[str, int]
    objects: Overlay
    advice: tuple[Advice, ...] = ()
    more: tuple[tuple[str, float], ...] = ()
    map: MemoryMap | None = None

    @property
    def private(self) -> int:
        """Growth of the worker's private memory from ready to end."""
        return self.measured[PRIVATE]

    @property
    def fresh(self) -> int | None:
        """The part on pages the twin does not have. None where the kernel does not say."""
        return self.measured.get("fresh")

    @property
    def copied(self) -> int | None:
        """The part on pages the twin has too. None where the kernel does not say."""
        return self.measured.get("copied")

    @property
    def by_collections(self) -> int | None:
        """Bytes that collections made private. None where collections were not recorded."""
        return self.measured.get("gc_copied")

    @property
    def by_writes(self) -> int | None:
        """Copied bytes that reference counts and writes made private. None where unknown."""
        if self.copied is None or self.by_collections is None:
            return None
        return max(0, self.copied - self.by_collections)

    @property
    def first(self) -> int | None:
        """`private` after the first request alone. None where no request was made."""
        return self.measured.get("first")

    @property
    def share(self) -> float:
        """Explained bytes as a share of the private ones."""
        return self.explained / self.private if self.private > 0 else 1.0

    def homes(self, late: LateImport) -> tuple[str, ...]:
        """The modules that a late import's bytes may count for, the likeliest first.

        It is the module of the app that has the statement. Where a library has it, they count for
        what ran.
        """
        if importer := self._importers.get(late.place):
            return (importer,)
        return late.by, late.by.partition(".")[0], "importlib"

    @cached_property
    def _importers(self) -> dict[str, str]:
        return {line.place: line.module for line in self.lines}
