"""Make an explanation of what was measured and traced. Runs in the pytest process; no I/O."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_cowmem.explain.advice import Case, advise
from pytest_cowmem.explain.bymodule import by_module, home
from pytest_cowmem.explain.imports import late_imports
from pytest_cowmem.explain.places import module_of, shown
from pytest_cowmem.explain.rows import Account, Growth, LineRow, Trace
from pytest_cowmem.model.explanation import Collections, Container, Explanation, Line
from pytest_cowmem.model.facts import Facts


def make(
    trace: Trace, values: Mapping[str, int], tracer: int, facts: Facts, rootdir: Path
) -> Explanation:
    """The explanation of a traced round, and of the measured rounds' `values` by metric.

    `tracer` is the bytes that tracing itself takes, `facts` is what the master said of itself.
    """
    charged = trace.charged
    lines = _lines(charged, rootdir)
    collections = _collections(charged, rootdir)
    imports = late_imports(charged.lines, charged.files, rootdir)
    modules = trace.loaded.union(late.module for late in imports)
    containers = _containers(trace.containers, modules, rootdir)
    explanation = Explanation(
        measured=values,
        explained=sum(line.bytes for line in lines) + sum(part.bytes for part in collections),
        tracer=tracer,
        unseen=charged.unseen,
        lines=lines,
        collections=collections,
        imports=imports,
        containers=containers,
        modules=_modules(lines, collections, containers),
        objects=trace.objects,
    )
    case = Case(explanation, trace.requests, facts, charged.collects, trace.tells_warm_up)
    return replace(explanation, advice=advise(case))


def _lines(charged: Account, rootdir: Path) -> tuple[Line, ...]:
    """The app's lines, most bytes first; rows that differ only in what ran under them are one."""
    rows_of: dict[tuple[str, int, str, str], list[LineRow]] = defaultdict(list)
    for row in charged.lines:
        module = module_of(row.place, charged.files, rootdir)
        path = shown(row.place.path or "", rootdir)
        rows_of[path, row.place.line, row.place.function, module].append(row)
    lines = []
    for (path, number, function, module), rows in rows_of.items():
        size, late = sum(row.bytes for row in rows), sum(row.late for row in rows)
        lines.append(Line(path, number, function, module, size, late, _beside(rows, rootdir)))
    return tuple(sorted(lines, key=lambda line: (-line.bytes, line.path, line.line)))


def _beside(rows: Sequence[LineRow], rootdir: Path) -> tuple[tuple[str, int], ...]:
    """The lines of libraries that ran under a line, and their bytes, most first."""
    sizes = Counter[str]()
    for place, _, size in rows:
        if place.library:
            library = shown(place.library, rootdir)
            sizes[f"{library}:{place.library_line} {place.library_function}"] += size
    return tuple(sizes.most_common())


def _collections(charged: Account, rootdir: Path) -> tuple[Collections, ...]:
    """The rows of collections, most bytes first."""
    collections = []
    for generation, place, times, size in charged.collections:
        module = module_of(place, charged.files, rootdir)
        path = shown(place.path or "", rootdir)
        collections.append(Collections(path, place.line, module, generation, times, size))
    return tuple(collections)


def _containers(
    growths: Mapping[str, Growth], modules: Collection[str], rootdir: Path
) -> tuple[Container, ...]:
    """The containers that keep something new, most bytes first; `modules` are all there are."""
    containers = []
    for name, (before, after, size, path, line) in growths.items():
        if size:
            module, path = home(name, modules), shown(path, rootdir)
            containers.append(Container(name, module, before, after, size, path, line))
    return tuple(sorted(containers, key=lambda container: (-container.bytes, container.name)))


def _modules(
    lines: Sequence[Line], collections: Sequence[Collections], containers: Sequence[Container]
) -> dict[str, int]:
    """Bytes by module, where what is kept counts for the module that keeps it."""
    charges = [(line.module, line.bytes, line.late) for line in lines]
    charges += [(part.module, part.bytes, 0) for part in collections]
    kept = Counter[str]()
    for container in containers:
        kept[container.module] += container.bytes
    return by_module(charges, kept)
