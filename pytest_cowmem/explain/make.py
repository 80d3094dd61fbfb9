"""Make an explanation of what was measured and traced. Runs in the pytest process; no I/O."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pytest_cowmem.explain.bymodule import by_module, home
from pytest_cowmem.explain.imports import late_imports
from pytest_cowmem.explain.leak_round import NOTHING, Left
from pytest_cowmem.explain.leaks import with_leaks
from pytest_cowmem.explain.mapped import mapped
from pytest_cowmem.explain.places import ZYGOTE_SIDE, is_plugins, module_of, shown
from pytest_cowmem.explain.rows import Growth, Row, Trace
from pytest_cowmem.model.explanation import COLLECTIONS, Collections, Container, Explanation, Line


def make(
    trace: Trace, values: Mapping[str, int], rootdir: Path, left: Left = NOTHING
) -> Explanation:
    """The explanation of a traced round, and of the measured rounds' `values` by metric.

    `left` is what a leak round found. It has no advice yet.
    """
    charged = trace.charged
    rows = [row for row in charged.rows if not is_plugins(row.place)]
    of_lines = [row for row in rows if row.generation is None]
    lines = _lines(of_lines, charged.files, rootdir)
    collections = _collections(rows, charged.files, rootdir)
    imports = late_imports(of_lines, charged.files, rootdir)
    modules = trace.loaded.union(late.module for late in imports)
    containers = _containers(trace.containers, modules, rootdir)
    containers = with_leaks(containers, left.keepers, modules, rootdir)
    explained = sum(row.bytes for row in rows)
    return Explanation(
        measured=values,
        explained=explained,
        gone=sum(row.gone for row in rows),
        tracer=charged.tracer + sum(row.bytes for row in charged.rows) - explained,
        unseen=charged.unseen,
        lines=lines,
        collections=collections,
        imports=imports,
        containers=containers,
        modules=_modules(lines, collections, containers),
        objects=trace.objects,
        more=left.types,
        map=mapped(trace, rootdir),
    )


def _lines(rows: Iterable[Row], files: Mapping[str, str], rootdir: Path) -> tuple[Line, ...]:
    """The app's lines, most bytes first; rows that differ only in what ran under them are one."""
    rows_of: dict[tuple[str, int, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        module = module_of(row.place, files, rootdir)
        path = shown(row.place.path or "", rootdir)
        rows_of[path, row.place.line, row.place.function, module].append(row)
    lines = [
        Line(
            *place,
            bytes=sum(row.bytes for row in its),
            late=sum(row.bytes for row in its if row.late),
            copied=sum(row.copied for row in its),
            gone=sum(row.gone for row in its),
            beside=_beside(its, rootdir),
        )
        for place, its in rows_of.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.bytes, -line.gone, line.path, line.line)))


def _beside(rows: Sequence[Row], rootdir: Path) -> tuple[tuple[str, int], ...]:
    """The lines of libraries that ran under a line, and their bytes, most first.

    This plugin's own, which serves the request, are none.
    """
    sizes = Counter[str]()
    for row in rows:
        place = row.place
        if place.library and not place.library.startswith(ZYGOTE_SIDE):
            library = shown(place.library, rootdir)
            sizes[f"{library}:{place.library_line} {place.library_function}"] += row.bytes
    return tuple(sizes.most_common())


def _collections(
    rows: Iterable[Row], files: Mapping[str, str], rootdir: Path
) -> tuple[Collections, ...]:
    """The collections of each generation at each line, most bytes first.

    Those that were called are apart from those that came by themselves.
    """
    rows_of: dict[tuple[str, int, str, int, bool], list[Row]] = defaultdict(list)
    for row in rows:
        if row.generation is not None:
            module = module_of(row.place, files, rootdir)
            path = shown(row.place.path or "", rootdir)
            key = path, row.place.line, module, row.generation, row.called
            rows_of[key].append(row)
    collections = [
        Collections(path, line, module, number, len(its), sum(row.bytes for row in its), called)
        for (path, line, module, number, called), its in rows_of.items()
    ]
    return tuple(sorted(collections, key=lambda part: -part.bytes))


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
    charges += [(COLLECTIONS, part.bytes, 0) for part in collections]
    kept, leaked = Counter[str](), Counter[str]()
    for container in containers:
        (leaked if container.a_request else kept)[container.module] += container.bytes
    return by_module(charges, kept, leaked)
