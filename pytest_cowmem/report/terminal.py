"""The summary at the end of a run, in a terminal. Runs in the pytest process.

`pytest.TerminalReporter` is quoted, since pytest names it in public since 8.4 only.
"""

import textwrap
from collections.abc import Iterator, Sequence

import pytest
from tabulate import tabulate

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Verdict
from pytest_cowmem.report.children import children
from pytest_cowmem.report.reasons import reasons
from pytest_cowmem.report.view import COLUMNS, Row, View, cut, planted, short, view
from pytest_cowmem.report.what_if import advice, policies
from pytest_cowmem.report.why import why

# Which columns go first when the terminal is narrow.
_DROPPED = ("gc pauses", "fresh", "copied", "of budget")
_SHORTEST_NAME = 30
_COLOURS = {
    Verdict.OK: "green",
    Verdict.NEW: "yellow",
    Verdict.INCOMPATIBLE: "yellow",
    Verdict.IMPROVED: "cyan",
    Verdict.MISSING: "yellow",
}

Columns = dict[str, list[str]]


def summarise(document: Document, reporter: "pytest.TerminalReporter") -> None:
    """Print the table, what was explained and proved, and what to know about the run."""
    reporter.write_sep("=", "cowmem")
    if document.usage_error:
        reporter.write_line(f"ERROR: {document.usage_error}", red=True)
        return
    shown = view(document)
    if shown.nothing:
        reporter.write_line(f"nothing was measured: {shown.nothing}", yellow=True)
    else:
        _print_table(shown.rows, reporter)
    for line in (*trees(shown.trees), *explanations(shown.explained), *proofs(shown.proved)):
        reporter.write_line(line)
    for line in what_if(shown, document.host_memory, reporter._tw.fullwidth):
        reporter.write_line(line)
    _print_sentences(shown, reporter)


def _print_table(rows: Sequence[Row], reporter: "pytest.TerminalReporter") -> None:
    header, rule, *lines = table(rows, reporter._tw.fullwidth)
    reporter.write_line(header)
    reporter.write_line(rule)
    for row, line in zip(rows, lines, strict=True):
        colour = "red" if row.failed else _COLOURS.get(row.verdict, "red")
        reporter.write_line(line, **{colour: True})
    reporter.write_line("")


def _print_sentences(shown: View, reporter: "pytest.TerminalReporter") -> None:
    for sentence in shown.causes:
        _say(reporter, sentence, red=True)
    if shown.causes:
        reporter.write_line("")
    for sentence in (*shown.facts, *shown.notes):
        _say(reporter, sentence)
    for sentence in shown.warnings:
        _say(reporter, sentence, yellow=True)
    for sentence in shown.changes:
        _say(reporter, f"baseline: {sentence}")
    if shown.refused:
        _say(reporter, f"baseline: {shown.refused}", red=True)
    if shown.accept:
        reporter.write_line(shown.accept)  # in one line, to be copied
    for sentence in shown.reports:
        _say(reporter, sentence)
    for sentence in shown.unreported:
        _say(reporter, sentence, red=True)


def _say(reporter: "pytest.TerminalReporter", sentence: str, **colour: bool) -> None:
    """Write a sentence in as many lines as it takes at the terminal's width."""
    lines = textwrap.wrap(
        sentence,
        reporter._tw.fullwidth,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        reporter.write_line(line, **colour)


def table(rows: Sequence[Row], width: int) -> list[str]:
    """The table's lines, header and rule first, at most `width` characters each.

    Columns are dropped and names cut; nothing is wrapped.
    """
    cells = zip(*(row.cells for row in rows), strict=True)
    columns: Columns = dict(zip(COLUMNS, map(list, cells), strict=True))
    if all(cell == "-" for cell in columns["of budget"]):
        del columns["of budget"]
    names = columns["test"]
    if len(set(names)) < len(names):
        names = [row.test for row in rows]
    longest = max(map(len, names))
    for dropped in _DROPPED:
        if _room(columns, width) >= min(longest, _SHORTEST_NAME):
            break
        columns.pop(dropped, None)
    room = _room(columns, width)
    columns["test"] = [cut(name, room) for name in names]
    return _draw(columns)


def _room(columns: Columns, width: int) -> int:
    """How many characters the other columns leave for a test's name."""
    nameless = columns | {"test": [""] * len(columns["test"])}
    return width - len(_draw(nameless)[1]) + len("test")


def _draw(columns: Columns) -> list[str]:
    sides = ["left" if name in ("test", "verdict") else "right" for name in columns]
    text = tabulate(columns, headers="keys", colalign=sides, disable_numparse=True)
    return text.splitlines()


def proofs(records: Sequence[Record]) -> list[str]:
    """The smallest regression that each test's gate caught, by kind."""
    if not records:
        return []
    rows = [[short(record.test), *map(planted, record.proofs)] for record in records]
    headers = ["smallest regression caught", *(proof.kind for proof in records[0].proofs)]
    sides = ("left", "right", "right")
    text = tabulate(rows, headers=headers, colalign=sides, disable_numparse=True)
    return [*text.splitlines(), ""]


def what_if(shown: View, host: int, width: int) -> Iterator[str]:
    """What each test costs under other policies, and which to follow."""
    for record in shown.tried:
        yield f"-- {short(record.test)}, what if"
        yield from policies(record.what_if, width)
        yield ""
    for advised in shown.advised:
        yield from advice(advised, host, width)
        yield ""


def trees(records: Sequence[Record]) -> Iterator[str]:
    """The descendants of each worker whose test passed; a failed one's are in its failure."""
    for record in records:
        yield f"-- {short(record.test)}, children"
        yield from children(record)
        yield ""


def explanations(records: Sequence[Record]) -> Iterator[str]:
    """The explanation of each test that passed; a failed one's is in its failure."""
    for record in records:
        assert record.explanation is not None
        yield f"-- {short(record.test)}"
        yield from why(reasons(record, record.explanation)).splitlines()
        yield ""
