"""Why a test's worker lost shared pages, as data: what `cow_worker.explain()` returns and reports are made of. Runs in the pytest process.

All amounts are bytes. Paths are relative to the rootdir, those of libraries to where they are installed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_cowmem.explain.overlay import Overlay
from pytest_cowmem.explain.places import shown
from pytest_cowmem.explain.rounds import Trace
from pytest_cowmem.measure.kernel import PAGE

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
    """Garbage collections of one generation that came at one line of the app ("" and 0 where none ran), and what they made private."""

    path: str
    line: int
    generation: int
    times: int
    bytes: int

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.path else NOWHERE


@dataclass(frozen=True)
class LateImport:
    """A module imported after the fork and its own bytes; `by` is the module that the app's statement at `path:line` named."""

    module: str
    by: str
    path: str
    line: int
    bytes: int


@dataclass(frozen=True)
class Container:
    """A container that keeps something new in the worker: entries before and after, bytes of what is new.

    `path:line` is where the app fills it, "" and 0 where that was not found.
    """

    name: str
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

    private = fresh + copied, and copied = by collections + by reference counts and writes: these are of the measured rounds, the rest of
    a traced one. `explained` is the sum of lines and collections: it can exceed `private`, since memory that was given back counts again.
    `tracer` is what tracing made private in a worker asked for nothing. `modules` is the lines' bytes by module. `objects` says what lies
    on the copied pages, which need not be what caused their loss.
    """

    private: int
    copied: int | None
    fresh: int | None
    by_collections: int | None
    explained: int
    tracer: int
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
        return None if self.copied is None or self.by_collections is None else max(0, self.copied - self.by_collections)

    @property
    def share(self) -> float:
        """Explained bytes as a share of the private ones."""
        return self.explained / self.private if self.private > 0 else 1.0


def make(trace: Trace, values: Mapping[str, int], tracer: int, rootdir: Path) -> Explanation:
    """An explanation, still without advice, of what was measured (`values`, by metric) and traced."""
    charged = trace.charged
    lines = _lines(charged["lines"], charged["files"], rootdir)
    collections = tuple(
        Collections(shown(row[0] or "", rootdir), row[1], generation, times, pages * PAGE)
        for generation, *row, times, pages in charged["collections"]
    )
    modules: dict[str, int] = defaultdict(int)
    for line in lines:
        modules[line.module] += line.bytes
    return Explanation(
        private=values["private"],
        copied=values.get("copied"),
        fresh=values.get("fresh"),
        by_collections=values.get("gc_copied"),
        explained=sum(it.bytes for it in lines) + sum(it.bytes for it in collections),
        tracer=tracer,
        lines=lines,
        collections=collections,
        imports=_imports(charged["lines"], rootdir),
        containers=_containers(trace, rootdir),
        modules=dict(modules),
        objects=trace.objects,
    )


def _lines(rows: Iterable[Sequence[Any]], files: Mapping[str, str], rootdir: Path) -> tuple[Line, ...]:
    """The rows of zygote/lines.py by the app's line."""
    sums: dict[tuple[str | None, int, str], list[int]] = defaultdict(lambda: [0, 0])
    beside: dict[tuple[str | None, int, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    owners: dict[tuple[str | None, int, str], str] = {}
    for path, number, function, library, library_line, library_function, _, late, pages in rows:
        if path is None:
            function = _package(files.get(library, shown(library or NOWHERE, rootdir)))
        key = path, number, function
        sums[key][0] += pages * PAGE
        sums[key][1] += late * PAGE
        if library:
            beside[key][f"{shown(library, rootdir)}:{library_line} {library_function}"] += pages * PAGE
        owners[key] = files.get(path, shown(path, rootdir)) if path else function
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


def _package(module: str) -> str:
    """The topmost name of a module; of one that is part of the interpreter its file says `<frozen name>`."""
    return module.removeprefix("<frozen ").removesuffix(">").partition(".")[0]


def _imports(rows: Iterable[Sequence[Any]], rootdir: Path) -> tuple[LateImport, ...]:
    """What each module imported late took, its own imports not included."""
    sums: dict[tuple[str, str, str, int], int] = defaultdict(int)
    for path, number, _, _, _, _, names, _, pages in rows:
        if names is not None:
            by, module = names
            sums[module, by, shown(path or "", rootdir), number] += pages * PAGE
    return tuple(LateImport(*key, size) for key, size in sorted(sums.items(), key=lambda it: -it[1]))


def _containers(trace: Trace, rootdir: Path) -> tuple[Container, ...]:
    found = [
        Container(name, before, after, size, shown(path, rootdir), line)
        for name, (before, after, size, path, line) in trace.containers.items()
        if size
    ]
    return tuple(sorted(found, key=lambda it: (-it.bytes, it.name)))
