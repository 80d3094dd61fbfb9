"""A run as Markdown: the comment of a pull request. Runs in the process that writes it; no I/O.

GitHub takes comments of up to 65,536 characters: rows and texts are cut until the page is shorter.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.report.failure import what_is_wrong
from pytest_cowmem.report.headline import in_two, name_of, worst_first
from pytest_cowmem.report.markup import block, cell, code, quote
from pytest_cowmem.report.view import View, short, view
from pytest_cowmem.report.what_if import advice

LIMIT = 65_000  # characters

Rows = Sequence[Sequence[str]]

_CHANGED = ("test", "metric", "base", "head", "change", "verdict")
_UNCHANGED = ("test", "base", "head", "change", "verdict")
_WORDS = frozenset({"test", "metric", "verdict"})  # columns that are not of numbers
_NOISE = "~"
_WIDTH = 79  # characters of a line of code
_TO_RUN = 5  # red tests that are to be measured again


@dataclass(frozen=True)
class _Most:
    """How much is shown: rows of a table, tests in full, and letters of a text."""

    rows: int
    tests: int
    letters: int


_SIZES = (_Most(60, 3, 6_000), _Most(30, 2, 4_000), _Most(10, 1, 2_000), _Most(3, 1, 500))


def dumps(document: Document) -> str:
    """The page, of less than LIMIT characters whatever the run."""
    shown = view(document)
    pages = ("\n\n".join(_page(document, shown, most)) + "\n" for most in _SIZES)
    return next(page for page in pages if len(page) < LIMIT)


def _page(document: Document, shown: View, most: _Most) -> Iterator[str]:
    words, name = in_two(document)
    yield f"## {words} {code(name)}" if name else f"## {words}"
    yield from _warnings(document, shown, most)
    yield from _counts(document)
    yield from _changed(document, most)
    yield from _failures(document, most)
    yield from _unchanged(document, most)
    if shown.causes:
        yield block("\n".join(shown.causes), most.letters)
    yield from _worst(document, most)
    yield from _commands(document, shown, most)
    yield from _updated(shown, most)
    if shown.advised:
        advised = (advice(it, document.host_memory, _WIDTH) for it in shown.advised)
        lines = "\n".join(chain.from_iterable(advised))
        yield _folded("Under other policies", block(lines, most.letters))
    if shown.facts:
        yield _folded("Where it was measured", block("\n".join(shown.facts), most.letters))
    yield from _commits(document)


def _warnings(document: Document, shown: View, most: _Most) -> Iterator[str]:
    """What differs from the baseline's run, and what lacks a figure, as an alert."""
    told = [*shown.warnings, *shown.notes, *_layouts(document.records)]
    if told:
        text = block("\n".join(told), most.letters)
        yield quote(f"[!WARNING]\nTo know before you trust the figures:\n\n{text}")


def _layouts(records: Sequence[Record]) -> Iterator[str]:
    moved = [it for it in records if it.accepted and it.accepted.layout != it.entry.layout]
    if moved:
        tests = "1 test" if len(moved) == 1 else f"{len(moved)} tests"
        yield f"note: objects lie in other pages than in the baseline's run ({tests})"


def _counts(document: Document) -> Iterator[str]:
    """How many tests have which verdict."""
    counts = Counter(record.verdict for record in document.records)
    said = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]]
    if document.failures:
        said.append(f"{len(document.failures)} failed before")
    if said:
        yield f"Measured {len(document.records)}: {', '.join(said)}."


def _changed(document: Document, most: _Most) -> Iterator[str]:
    """The rows of what is not as it was, the red tests first."""
    labels = _labels(document.records)
    red = worst_first(document.records)
    others = [record for record in document.records if not record.failed]
    rows = [
        (
            cell(labels[record.test]),
            judgment.metric,
            _amount(judgment, judgment.baseline),
            _amount(judgment, judgment.measured),
            _change(judgment),
            _verdict(record, judgment),
        )
        for record in (*red, *others)
        for judgment in _told(record)
    ]
    yield from _table(_CHANGED, rows, most.rows)


def _unchanged(document: Document, most: _Most) -> Iterator[str]:
    """The private memory of all other tests, folded."""
    labels = _labels(document.records)
    rows = [
        (
            cell(labels[record.test]),
            _amount(judgment, judgment.baseline),
            _amount(judgment, judgment.measured),
            _change(judgment),
            record.verdict.value,
        )
        for record in document.records
        if not _told(record) and (judgment := record.judgment(PRIVATE))
    ]
    if rows:
        tests = "1 test" if len(rows) == 1 else f"{len(rows)} tests"
        yield _folded(f"{tests} as before", *_table(_UNCHANGED, rows, most.rows))


def _told(record: Record) -> list[Judgment]:
    """The judgments that have a row of their own; that of `private` where the test is told of."""
    boring = {Verdict.OK} if record.failed else {Verdict.OK, Verdict.MISSING}
    told = [judgment for judgment in record.judgments if judgment.verdict not in boring]
    private = record.judgment(PRIVATE)
    if not told and private and (record.failed or record.verdict not in boring):
        return [private]
    return told


def _labels(records: Sequence[Record]) -> dict[str, str]:
    """A short name for each test, with its folders where another one is called the same."""
    counts = Counter(short(record.test) for record in records)
    return {
        record.test: record.test if counts[short(record.test)] > 1 else short(record.test)
        for record in records
    }


def _amount(judgment: Judgment, amount: int | None) -> str:
    return "-" if amount is None else render(amount, METRICS[judgment.metric].unit)


def _change(judgment: Judgment) -> str:
    """What changed since the baseline, or `~` where that is within what is tolerated."""
    difference = judgment.difference
    if difference is None:
        return "-"
    significant = judgment.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)
    if not significant and abs(difference) <= judgment.allowed:
        return _NOISE
    share = f" ({difference / judgment.baseline:+.0%})" if judgment.baseline else ""
    return f"{render_change(difference, METRICS[judgment.metric].unit)}{share}"


def _verdict(record: Record, judgment: Judgment) -> str:
    verdict = record.verdict if judgment.verdict is Verdict.OK else judgment.verdict
    word = "not proved" if record.failed and verdict is Verdict.OK else verdict.value
    if verdict is Verdict.OVER and judgment.budget is not None:
        word += f" of {_amount(judgment, judgment.budget)}"
    return f"**{word}**" if record.failed else word


def _table(columns: Sequence[str], rows: Rows, most: int) -> Iterator[str]:
    """A table, and how many rows it leaves out."""
    if rows:
        sides = ["---" if name in _WORDS else "--:" for name in columns]
        lines = [f"| {' | '.join(row)} |" for row in (columns, sides, *rows[:most])]
        yield "\n".join(lines)
    if len(rows) > most:
        yield f"{len(rows) - most:,} more rows are left out here."


def _failures(document: Document, most: _Most) -> Iterator[str]:
    """The tests that failed for other reasons."""
    before = [f"{failure.test}: {failure.reason}" for failure in document.failures]
    for when, lines in (("before", before), ("after", [*document.unfit])):
        if lines:
            told = "\n".join(" ".join(line.split()) for line in lines)
            them = "it was" if len(lines) == 1 else "they were"
            yield f"Failed {when} {them} measured:\n\n{block(told, most.letters)}"


def _worst(document: Document, most: _Most) -> Iterator[str]:
    """The worst red tests, with where their bytes went."""
    red = worst_first(document.records)
    for record in red[: most.tests]:
        place = f", {code(record.place)}" if record.place else ""
        yield f"### {code(name_of(record.test))}{place}"
        yield block(what_is_wrong(record).rstrip(), most.letters)
    if len(red) > most.tests:
        yield f"{len(red) - most.tests:,} more red tests are in the run's own output."


def _commands(document: Document, shown: View, most: _Most) -> Iterator[str]:
    """What to type in order to see it again, and to accept it."""
    red = [record.test for record in worst_first(document.records)]
    if red:
        command = document.invocation.run(red[:_TO_RUN])
        yield f"To measure it again, and see why:\n\n{_command(command, most)}"
    if shown.accepting:
        command = _command(shown.accepting, most)
        yield f"To accept it, and then commit {code(document.baseline)}:\n\n{command}"


def _command(command: str, most: _Most) -> str:
    """A command to be copied. Half of one would be another one."""
    if len(command) > most.letters:
        return "(the command is too long for here, and stands at the end of the run's output)"
    return block(command, most.letters)


def _updated(shown: View, most: _Most) -> Iterator[str]:
    """What the run wrote into the baseline, or why it could not."""
    if shown.changes:
        changes = block("\n".join(shown.changes), most.letters)
        yield f"Written into the baseline:\n\n{changes}"
    if shown.refused:
        yield block(shown.refused, most.letters)


def _commits(document: Document) -> Iterator[str]:
    """The commit that was measured, and the one whose baseline it is compared with."""
    if document.head:
        base = document.base
        since = f"; the baseline was last changed in {code(base.text)}" if base else ""
        yield f"Measured at {code(document.head.text)}{since}."


def _folded(title: str, *parts: str) -> str:
    """Parts that are seen when the title is opened. The title is the report's own."""
    return "\n\n".join([f"<details><summary>{title}</summary>", *parts, "</details>"])
