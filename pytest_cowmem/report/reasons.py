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
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.causes import first_cause
from pytest_cowmem.report.fold import Already, folded
from pytest_cowmem.report.ranked import ranked, red_metrics
from pytest_cowmem.report.since import WORTH, Since, changes, modules_of

_MOST_PARTS = 5
_MOST_NAMES = 3
_MOST_SHRUNK = 2
_OTHERS = "others"


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
    `unseen` is 0 where it is not worth a word. `modules` holds names and bytes: what they changed
    by since the baseline where `since_baseline`, all others as one, else all of it. `holders` and
    `types` lie on copied pages. `imports` has one late import for each statement, and
    `other_imports` what is only summed up.

    `already` is what the baseline has already, where it tells: nothing else has that then.
    """

    explanation: Explanation
    unseen: int
    containers: tuple[Container, ...]
    parts: tuple[Line | Collections, ...]
    gone: Gone | None
    already: Already | None
    modules: tuple[tuple[str, int], ...]
    since_baseline: bool
    holders: tuple[Resident, ...]
    types: tuple[Resident, ...]
    imports: tuple[LateImport, ...]
    other_imports: tuple[LateImport, ...]


def reasons(record: Record, explanation: Explanation) -> Reasons:
    """What is shown of a record's explanation. Among the lines, what is red comes first."""
    since = Since(record, explanation)
    new, already = folded(explanation, since, first_cause(record))
    changed = _changed(explanation.modules, modules_of(record))
    parts = ranked(new, red_metrics(record))
    if already:
        parts.sort(key=since.new, reverse=True)
    # The first grows with requests, where one does.
    most = new.containers[:_MOST_NAMES]
    statements = by_statement(new.imports)
    return Reasons(
        explanation=new,
        unseen=new.unseen if new.unseen >= WORTH else 0,
        containers=tuple(
            it for it in most if it.bytes >= WORTH or (it.a_request and it is most[0])
        ),
        parts=tuple(_with_beneath(parts, explanation.explained)),
        gone=_gone(new),
        already=already,
        modules=changed or tuple(_ordered(explanation.modules)[:_MOST_NAMES]),
        since_baseline=bool(changed),
        holders=new.objects.modules[:_MOST_NAMES],
        types=new.objects.types[:_MOST_NAMES],
        imports=tuple(statements[:_MOST_NAMES]),
        other_imports=tuple(statements[_MOST_NAMES:]),
    )


def _gone(explanation: Explanation) -> Gone | None:
    """What came and went, where that is worth a word."""
    if explanation.gone < WORTH:
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
            libraries = [it for it in _beneath(part) if it.bytes >= WORTH]
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


def _changed(
    sizes: Mapping[str, int], baseline: Mapping[str, int] | None
) -> tuple[tuple[str, int], ...]:
    """The modules that changed since the baseline, those that grew first, and all others in one.

    Empty where no change is worth a word.
    """
    ordered = _ordered(changes(sizes, baseline))
    if not ordered or abs(ordered[0][1]) < WORTH:
        return ()
    more = [pair for pair in ordered if pair[1] > 0]
    less = [pair for pair in ordered if pair[1] <= -WORTH]
    # Whatever shrank, what grew comes first.
    worth = [pair for pair in more if pair[1] >= WORTH] or more[:1]
    named = (*worth[:_MOST_NAMES], *less[:_MOST_SHRUNK])
    rest = sum(change for _, change in ordered) - sum(change for _, change in named)
    return (*named, (_OTHERS, rest)) if rest else named


def _ordered(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Modules and their bytes, most first."""
    return sorted(sizes.items(), key=lambda item: (-abs(item[1]), item[0]))
