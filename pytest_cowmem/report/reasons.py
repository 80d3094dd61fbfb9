"""Which causes of a test's private bytes are shown, selected once; formats only render.

Runs in the pytest process; functions of a record and its explanation.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_cowmem.model.explanation import (
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
    Resident,
    by_statement,
)
from pytest_cowmem.model.metrics import OF_PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Verdict

_MOST_PARTS = 5
_MOST_NAMES = 3
_WORTH = OF_PRIVATE.absolute  # bytes from which a container or a module's growth is named


@dataclass(frozen=True)
class Gone:
    """Bytes that came and went, and the line that took most of them."""

    bytes: int
    place: str


@dataclass(frozen=True)
class Beneath(Line):
    """A part of the line that stands above it in the table: what one library did under it."""

    @property
    def place(self) -> str:
        return f"- ({self.module})"


@dataclass(frozen=True)
class Reasons:
    """What is shown of an explanation, most first in each tuple.

    `parts` has what libraries did under a line behind it, where that line is most of all.
    `unseen` is 0 where it is not worth a word. `modules` holds names and bytes: their growth since
    the baseline where `since_baseline`, else all of it. `holders` and `types` lie on copied pages.
    `imports` has one late import for each statement, and `other_imports` what is only summed up.
    """

    explanation: Explanation
    unseen: int
    containers: tuple[Container, ...]
    parts: tuple[Line | Collections, ...]
    gone: Gone | None
    modules: tuple[tuple[str, int], ...]
    since_baseline: bool
    holders: tuple[Resident, ...]
    types: tuple[Resident, ...]
    imports: tuple[LateImport, ...]
    other_imports: tuple[LateImport, ...]


def reasons(record: Record, explanation: Explanation) -> Reasons:
    """What is shown of a record's explanation. Among the lines, what is red comes first."""
    sizes = explanation.modules
    grown = _grown(sizes, record.accepted.modules if record.accepted else {})
    # The first grows with requests, where one does.
    most = explanation.containers[:_MOST_NAMES]
    statements = by_statement(explanation.imports)
    return Reasons(
        explanation=explanation,
        unseen=explanation.unseen if explanation.unseen >= _WORTH else 0,
        containers=tuple(
            it for it in most if it.bytes >= _WORTH or (it.a_request and it is most[0])
        ),
        parts=tuple(_with_beneath(ranked(explanation, red_metrics(record)), explanation.explained)),
        gone=_gone(explanation),
        modules=_largest(grown or sizes),
        since_baseline=bool(grown),
        holders=explanation.objects.modules[:_MOST_NAMES],
        types=explanation.objects.types[:_MOST_NAMES],
        imports=tuple(statements[:_MOST_NAMES]),
        other_imports=tuple(statements[_MOST_NAMES:]),
    )


def _gone(explanation: Explanation) -> Gone | None:
    """What came and went, where that is worth a word."""
    if explanation.gone < _WORTH:
        return None
    most = max(explanation.lines, key=lambda line: line.gone, default=None)
    return Gone(explanation.gone, most.place if most else "")


def _with_beneath(ranked: list[Line | Collections], explained: int) -> Iterator[Line | Collections]:
    """The first parts; behind one that is more than half of all, the libraries that ran under it.

    Where that is one library, the line's last column names it.
    """
    for part in ranked[:_MOST_PARTS]:
        yield part
        if isinstance(part, Line) and part.path and part.bytes > explained / 2:
            libraries = [it for it in _beneath(part) if it.bytes >= _WORTH]
            if len(libraries) > 1:
                yield from libraries[:_MOST_NAMES]


def _beneath(line: Line) -> list[Beneath]:
    """What each library did under a line, most bytes first."""
    of: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for beside in line.beside:
        of[library(beside[0])].append(beside)
    libraries = [
        Beneath("", 0, "", name, sum(size for _, size in its), 0, 0, 0, tuple(its))
        for name, its in of.items()
    ]
    return sorted(libraries, key=lambda it: -it.bytes)


def library(place: str) -> str:
    """The first name of the library at `path:line function`, or its path where it lies apart.

    That of "<frozen abc>" is abc.
    """
    path = place.rpartition(" ")[0].rpartition(":")[0]
    if path.startswith("/"):
        return path
    first = path.partition("/")[0].partition(".")[0]
    return first.removeprefix("<frozen ").removesuffix(">")


def red_metrics(record: Record) -> set[str]:
    """The metrics that are too high."""
    too_high = (Verdict.OVER, Verdict.REGRESSED)
    return {judgment.metric for judgment in record.judgments if judgment.verdict in too_high}


def ranked(explanation: Explanation, red: set[str]) -> list[Line | Collections]:
    """The lines and collections that made bytes private, most first.

    Collections come before lines where all red metrics are of collections, and those of a red
    generation come first.
    """
    both: list[Line | Collections] = [*explanation.lines, *explanation.collections]
    both.sort(key=lambda part: -part.bytes)
    if not (red and all(metric.startswith("gc_") for metric in red)):
        return [part for part in both if part.bytes]
    both.sort(key=lambda part: _distance(part, red))
    # After a freeze a collection too many may have copied nothing.
    return [part for part in both if part.bytes or _distance(part, red) == 0]


def _distance(part: Line | Collections, red: set[str]) -> int:
    """How far a line or collection is from red metrics that are all of collections."""
    if isinstance(part, Line):
        return 2
    return 0 if f"gc_collections_{part.generation}" in red else 1


def _grown(sizes: Mapping[str, int], baseline: Mapping[str, int]) -> dict[str, int]:
    """The modules that grew since the baseline by what is worth a word. Empty without one."""
    if not baseline:
        return {}
    modules = {*sizes, *baseline}
    growth = {module: sizes.get(module, 0) - baseline.get(module, 0) for module in modules}
    return {module: size for module, size in growth.items() if abs(size) >= _WORTH}


def _largest(sizes: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The modules with most bytes, and their bytes."""
    ordered = sorted(sizes.items(), key=lambda item: (-abs(item[1]), item[0]))
    return tuple(ordered[:_MOST_NAMES])
