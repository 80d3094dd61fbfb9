"""The causes that a red test's explanation names, most first. Runs in the pytest process."""

from collections import Counter
from collections.abc import Iterator

from pytest_cowmem.model.cause import COLLECTIONS, CONTAINER, IMPORT, LINE, Cause
from pytest_cowmem.model.explanation import (
    Collections,
    Container,
    Explanation,
    LateImport,
    by_statement,
)
from pytest_cowmem.model.metrics import GROWTH, MASTER
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.ranked import all_of_collections, ranked, red_metrics
from pytest_cowmem.report.since import WORTH, Since

_OF_MASTER = {MASTER, "gc_full", "gc_full_pause"}  # nothing that a worker does explains them


def causes(record: Record) -> tuple[Cause, ...]:
    """What is new in a record's explanation and worth a word; none where it has none.

    Where `growth` is red, what grows with requests comes before all else.
    """
    explanation, red = record.explanation, red_metrics(record)
    if explanation is None or (red and red <= _OF_MASTER):
        return ()
    if all_of_collections(red):
        first = (part for part in ranked(explanation, red) if isinstance(part, Collections))
        return tuple(_collected(part, part.bytes) for part in first)
    since = Since(record, explanation)
    kept, imported = list(_containers(explanation, since)), list(_imports(explanation, since))
    if red == {GROWTH}:
        return tuple(kept)
    if red == {"imports"}:
        return tuple(imported)
    found = [*kept, *imported, *_lines(explanation, since)]
    worth = [cause for cause in found if cause.bytes >= WORTH]
    leaking = {part.name for part in explanation.containers if part.a_request and GROWTH in red}
    leaks = [cause for cause in kept if cause.name in leaking]
    rest = sorted(worth, key=_telling, reverse=True)
    return (*leaks, *(cause for cause in rest if cause not in leaks))


def first_cause(record: Record) -> Cause | None:
    """The cause that a record's explanation names first.

    None where it is less than half of what `private` grew by: it may not be the one then.
    """
    found = causes(record)
    if not found or record.explanation is None:
        return None
    return found[0] if 2 * found[0].bytes >= Since(record, record.explanation).grown else None


def _containers(explanation: Explanation, since: Since) -> Iterator[Cause]:
    for part in explanation.containers:
        yield Cause(CONTAINER, part.name, part.place, since.new(part))


def _imports(explanation: Explanation, since: Since) -> Iterator[Cause]:
    for part in by_statement(explanation.imports):
        yield Cause(IMPORT, part.by, part.place, since.new(part))


def _lines(explanation: Explanation, since: Since) -> Iterator[Cause]:
    """The app's lines and the collections; that a library ran with no line of it is no cause.

    Nor is a line of whose bytes half or more are kept or imported there.
    """
    told = Counter[str]()
    parts: list[Container | LateImport] = [*explanation.containers]
    for part in (*parts, *by_statement(explanation.imports)):
        told[part.place] += part.bytes
    for line in explanation.lines:
        if line.path and 2 * told[line.place] < line.bytes:
            yield Cause(LINE, line.function, line.place, since.new(line))
    for collected in explanation.collections:
        yield _collected(collected, since.new(collected))


def _collected(part: Collections, size: int) -> Cause:
    return Cause(COLLECTIONS, f"of generation {part.generation}", part.place, size)


def _telling(cause: Cause) -> int:
    """How much a cause tells: what is kept or imported, more than where memory was taken for it."""
    return cause.bytes * (2 if cause.kind in (CONTAINER, IMPORT) else 1)
