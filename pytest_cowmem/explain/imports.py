"""What is imported after the fork, by which statement, and what it took.

Runs in the pytest process; no I/O.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pytest_cowmem.explain.places import shown
from pytest_cowmem.explain.rows import Importing, Row
from pytest_cowmem.model.explanation import LateImport


def late_imports(
    rows: Iterable[Row], files: Mapping[str, str], rootdir: Path
) -> tuple[LateImport, ...]:
    """The modules imported late, each with its own bytes, most first.

    `files` maps files to the modules they were loaded as.
    """
    importing = [(row.place.importing, row) for row in rows if row.place.importing is not None]
    sizes = Counter[Importing]()
    for modules, row in importing:
        sizes[modules] += row.bytes
    statements = _statements(importing, files, sizes)
    imports = []
    for modules, size in sizes.items():
        path, line = statements.get(modules.by, ("", 0))
        imports.append(LateImport(modules.module, modules.by, shown(path, rootdir), line, size))
    return tuple(sorted(imports, key=lambda late: (-late.bytes, late.module)))


def _statements(
    importing: Iterable[tuple[Importing, Row]],
    files: Mapping[str, str],
    imported: Collection[Importing],
) -> dict[str, tuple[str, int]]:
    """The app's file and line with the import statement, by the module that the statement names.

    It is the line with the most bytes. Lines of a module that is itself being imported run under
    the statement, so they are left out.
    """
    sizes: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for (by, _), row in importing:
        path, line = row.place.path, row.place.line
        if path and Importing(by, files.get(path, "")) not in imported:
            sizes[by][path, line] += row.bytes
    return {by: lines.most_common(1)[0][0] for by, lines in sizes.items()}
