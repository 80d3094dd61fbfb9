"""What is imported after the fork, by which statement, and what it took. Runs in the pytest process; no I/O."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_cowmem.explain.places import shown
from pytest_cowmem.host.procfs import PAGE


@dataclass(frozen=True)
class LateImport:
    """A module imported after the fork and its own bytes, without those of what it imports.

    `by` is the module that a statement named, which led there. `path:line` is where the app has that statement: "" and 0 where a library
    has it, and where it took nothing itself.
    """

    module: str
    by: str
    path: str
    line: int
    bytes: int

    @property
    def place(self) -> str:
        """`path:line`, or nothing."""
        return f"{self.path}:{self.line}" if self.path else ""


def late_imports(
    rows: Iterable[Sequence[Any]], files: Mapping[str, str], rootdir: Path
) -> tuple[LateImport, ...]:
    """What each module imported late took by the rows of zygote/lines.py, its own imports not included, most first."""
    late = [(*row[6], row[0], row[1], row[-1] * PAGE) for row in rows if row[6] is not None]
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for by, module, *_, size in late:
        sums[by, module] += size
    places: dict[str, dict[tuple[str, int], int]] = defaultdict(lambda: defaultdict(int))
    for by, _, path, number, size in late:
        if (
            path and (by, files.get(path)) not in sums
        ):  # a line of what is being imported is not the statement
            places[by][shown(path, rootdir), number] += size
    found = [
        LateImport(module, by, *max(places[by], key=places[by].__getitem__, default=("", 0)), size)
        for (by, module), size in sums.items()
    ]
    return tuple(sorted(found, key=lambda it: (-it.bytes, it.module)))


def by_statement(imports: Iterable[LateImport]) -> list[LateImport]:
    """Late imports by the module that a statement named, with the bytes of all that it led to, most first."""
    sums: dict[tuple[str, str, int], int] = defaultdict(int)
    for it in imports:
        sums[it.by, it.path, it.line] += it.bytes
    found = [LateImport(by, by, path, line, size) for (by, path, line), size in sums.items()]
    return sorted(found, key=lambda it: (-it.bytes, it.by))
