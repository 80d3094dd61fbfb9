"""Why a test's worker lost shared pages, as data: what `cow_worker.explain()` returns and reports are made of. Runs in the pytest process.

All amounts are bytes. Paths are relative to the rootdir, those of libraries to where they are installed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_cowmem.explain.bymodule import by_module, home
from pytest_cowmem.explain.imports import LateImport, late_imports
from pytest_cowmem.explain.overlay import Overlay
from pytest_cowmem.explain.places import shown
from pytest_cowmem.explain.rounds import Trace
from pytest_cowmem.host.procfs import PAGE

NOWHERE = "no line of the app"


@dataclass(frozen=True)
class Line:
    """A source line and the bytes that became private while it ran, calls into libraries included, collections not.

    `path` is "" where none of the app's code was on the stack, and `module` the library then. `late` is the part that came after the
    first third of the requests.
    `beside` holds the lines of libraries that ran under it, as (path:line function, bytes), most first.
    """

    path: str
    line: int
    function: str
    module: str
    bytes: int
    late: int
    beside: tuple[tuple[str, int], ...]

    @property
    def place(self) -> str:
        """`path:line`, or the library that ran outside of the app."""
        return f"{self.path}:{self.line}" if self.path else f"({self.module})"


@dataclass(frozen=True)
class Collections:
    """Garbage collections of one generation that came at one line of the app ("" and 0 where none ran), and what they made private.

    `module` is the line's, or the library that ran.
    """

    path: str
    line: int
    module: str
    generation: int
    times: int
    bytes: int

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.path else NOWHERE


@dataclass(frozen=True)
class Container:
    """A container that keeps something new in the worker: the module that has it, entries before and after, bytes of what is new.

    `path:line` is where the app fills it, "" and 0 where that was not found.
    """

    name: str
    module: str
    before: int
    after: int
    bytes: int
    path: str
    line: int

    @property
    def place(self) -> str:
        """`path:line`, or nothing."""
        return f"{self.path}:{self.line}" if self.path else ""


@dataclass(frozen=True)
class Advice:
    """What to do, by the name of its rule; `gain` is the bytes a worker lost to it, None where that was not measured."""

    rule: str
    text: str
    gain: int | None


@dataclass(frozen=True)
class Explanation:
    """Where a test's private bytes went.

    private = fresh + copied, and copied = by collections + by reference counts and writes. `first` is what of `private` the first request
    took, None where none was made. These are of the measured rounds, the rest of a traced one. `explained` is the sum of lines and
    collections: it can exceed `private`, since memory that was given back counts again. `modules` is the same by module, what containers
    keep at the module that has them. `tracer` is what tracing made private in a worker asked for nothing, `unseen` what came where nobody
    listened, in threads of C code for instance. `objects` says what lies on the copied pages, which need not be what caused their loss.
    """

    private: int
    copied: int | None
    fresh: int | None
    by_collections: int | None
    first: int | None
    explained: int
    tracer: int
    unseen: int
    lines: tuple[Line, ...]
    collections: tuple[Collections, ...]
    imports: tuple[LateImport, ...]
    containers: tuple[Container, ...]
    modules: Mapping[str, int]
    objects: Overlay
    advice: tuple[Advice, ...] = ()

    @property
    def by_writes(self) -> int | None:
        """Copied bytes that no collection copied: reference counts and writes."""
        return (
            None
            if self.copied is None or self.by_collections is None
            else max(0, self.copied - self.by_collections)
        )

    @property
    def share(self) -> float:
        """Explained bytes as a share of the private ones."""
        return self.explained / self.private if self.private > 0 else 1.0


def make(trace: Trace, values: Mapping[str, int], tracer: int, rootdir: Path) -> Explanation:
    """An explanation, still without advice, of what was measured (`values`, by metric) and traced."""
    charged = trace.charged
    lines = _lines(charged["lines"], charged["files"], rootdir)
    collections = _collections(charged["collections"], charged["files"], rootdir)
    imports = late_imports(charged["lines"], charged["files"], rootdir)
    containers = _containers(trace, trace.loaded | {it.module for it in imports}, rootdir)
    kept: dict[str, int] = defaultdict(int)
    for it in containers:
        kept[it.module] += it.bytes
    charges = [(it.module, it.bytes, it.late) for it in lines] + [
        (it.module, it.bytes, 0) for it in collections
    ]
    return Explanation(
        private=values["private"],
        copied=values.get("copied"),
        fresh=values.get("fresh"),
        by_collections=values.get("gc_copied"),
        first=values.get("first"),
        explained=sum(size for _, size, _ in charges),
        tracer=tracer,
        unseen=charged["unseen"] * PAGE,
        lines=lines,
        collections=collections,
        imports=imports,
        containers=containers,
        modules=by_module(charges, kept),
        objects=trace.objects,
    )


def _lines(
    rows: Iterable[Sequence[Any]], files: Mapping[str, str], rootdir: Path
) -> tuple[Line, ...]:
    """The rows of zygote/trace/lines.py by the app's line."""
    sums: dict[tuple[str | None, int, str], list[int]] = defaultdict(lambda: [0, 0])
    beside: dict[tuple[str | None, int, str], dict[str, int]] = defaultdict(
        lambda: defaultdict(int)
    )
    owners: dict[tuple[str | None, int, str], str] = {}
    for path, number, function, library, library_line, library_function, _, late, pages in rows:
        owner = _owner(path, library, files, rootdir)
        function = function if path else owner
        key = path, number, function
        sums[key][0] += pages * PAGE
        sums[key][1] += late * PAGE
        if library:
            beside[key][f"{shown(library, rootdir)}:{library_line} {library_function}"] += (
                pages * PAGE
            )
        owners[key] = owner
    found = [
        Line(
            shown(key[0] or "", rootdir),
            key[1],
            key[2] if key[0] else "",
            owners[key],
            size,
            late,
            tuple(sorted(beside[key].items(), key=lambda it: -it[1])),
        )
        for key, (size, late) in sums.items()
    ]
    return tuple(sorted(found, key=lambda line: (-line.bytes, line.path, line.line)))


def _owner(path: str | None, library: str | None, files: Mapping[str, str], rootdir: Path) -> str:
    """The module of the app's file `path`, or else the topmost name of the library's; `files` has the modules that are known."""
    if path:
        return files.get(path, shown(path, rootdir))
    module = files.get(library or "", shown(library or NOWHERE, rootdir))
    return (
        module.removeprefix("<frozen ").removesuffix(">").partition(".")[0]
    )  # as files of the interpreter itself are called


def _collections(
    rows: Iterable[Sequence[Any]], files: Mapping[str, str], rootdir: Path
) -> tuple[Collections, ...]:
    return tuple(
        Collections(
            shown(path or "", rootdir),
            number,
            _owner(path, library, files, rootdir),
            generation,
            times,
            pages * PAGE,
        )
        for generation, path, number, _, library, _, _, _, times, pages in rows
    )


def _containers(trace: Trace, modules: Set[str], rootdir: Path) -> tuple[Container, ...]:
    found = [
        Container(name, home(name, modules), before, after, size, shown(path, rootdir), line)
        for name, (before, after, size, path, line) in trace.containers.items()
        if size
    ]
    return tuple(sorted(found, key=lambda it: (-it.bytes, it.name)))
