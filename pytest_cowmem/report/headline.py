"""The verdict of a run in one line, and its red tests in order. Runs in the pytest process; no I/O.

The line is plain text: each format escapes it as it has to.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment, Verdict
from pytest_cowmem.report.ranked import red_metrics
from pytest_cowmem.report.view import why_nothing

_LONGEST = 160
_GRAVITY = {verdict: place for place, verdict in enumerate(Verdict)}


def headline(document: Document) -> str:
    """The verdict of a run: "Memory gate failed: 1 of 24 regressed, +2.20 MiB in test_feed".

    It is one line, of some 300 characters at most.
    """
    return " ".join(filter(None, in_two(document)))


def in_two(document: Document) -> tuple[str, str]:
    """The line's own words, and what may end it: a test's name, or a user's error."""
    said = f"Memory gate {'passed' if document.passed else 'failed'}: {counts(document)}"
    if document.usage_error:
        return f"{said}:", _cut(document.usage_error)
    red = worst_first(document.records)
    if not red:
        return said, ""
    name = _cut(name_of(red[0].test))
    if amount := _amount(red[0]):
        return f"{said}, {amount} in", name
    return (f"{said}:", name) if len(red) == 1 else (said, "")


def counts(document: Document) -> str:
    """What is red and of how many, or that nothing is. It names no test."""
    if document.usage_error:
        return "usage error"
    if not document.passed:
        found = ", ".join(_what_failed(document))
    else:
        found = _what_passed(document.records) if document.records else ""
    return found or f"nothing was measured, {why_nothing(document)}"


def worst_first(records: Sequence[Record]) -> list[Record]:
    """The red tests: those whose private memory is too high by what it grew, then the others."""
    return sorted((record for record in records if record.failed), key=_order)


def name_of(test: str) -> str:
    """A test's own name, without its file and class."""
    name, bracket, parameters = test.partition("[")
    return name.rpartition("::")[2] + bracket + parameters


def _order(record: Record) -> tuple[bool, int, int]:
    of_private = PRIVATE in red_metrics(record)
    return not of_private, -record.grown if of_private else 0, _GRAVITY[record.verdict]


def _what_failed(document: Document) -> Iterator[str]:
    red = worst_first(document.records)
    yield from _by_verdict(red, len(document.records) + len(document.failures))
    if failures := len(document.failures):
        yield f"{failures} failed before {'it was' if failures == 1 else 'they were'} measured"
    if unfit := len(document.unfit):
        yield f"{unfit} failed after {'it was' if unfit == 1 else 'they were'} measured"
    if document.refused:
        yield "the baseline could not be written"
    if broken := len(document.broken):
        yield f"{broken} {'file was' if broken == 1 else 'files were'} not collected whole"
    if not document.complete:
        yield f"the run ended early with {len(document.records)} measured"


def _by_verdict(red: Sequence[Record], of: int) -> Iterator[str]:
    """How many tests are red, the gravest verdict first, and the first of how many."""
    numbers = Counter(record.verdict for record in red)
    found = [verdict for verdict in Verdict if verdict in numbers]
    for verdict in found:
        # A red test in which nothing is wrong is one whose gate caught nothing that was planted.
        word = "not proved" if verdict is Verdict.OK else verdict.value
        yield f"{numbers[verdict]}{f' of {of}' if verdict is found[0] else ''} {word}"


def _amount(record: Record) -> str:
    """By how much a red test is too high; nothing where it is red for something else."""
    judgment = record.judgment(PRIVATE)
    if judgment is None or PRIVATE not in red_metrics(record):
        judgment = _gravest(record)
    if judgment.verdict not in {*TOO_HIGH, Verdict.NOISY} or judgment.measured is None:
        return ""
    unit = METRICS[judgment.metric].unit
    what = "" if judgment.metric == PRIVATE else f"{judgment.metric} "
    if judgment.difference is not None:
        return f"{what}{render_change(judgment.difference, unit)}"
    return f"{what}by {render(abs(judgment.measured - (judgment.budget or 0)), unit)}"


def _gravest(record: Record) -> Judgment:
    """The judgment that a record's verdict comes from; that of `private` among equals."""
    return min(record.judgments, key=lambda it: (_GRAVITY[it.verdict], it.metric != PRIVATE))


def _what_passed(records: Sequence[Record]) -> str:
    numbers = Counter(record.verdict for record in records)
    tests = "1 test" if len(records) == 1 else f"{len(records)} tests"
    # A run that updates the baseline is green with them.
    risen = numbers[Verdict.REGRESSED]
    told = [f"{risen} regressed and accepted" if risen else "none regressed"]
    for verdict in (Verdict.IMPROVED, Verdict.NEW, Verdict.INCOMPATIBLE, Verdict.MISSING):
        told += [f"{numbers[verdict]} {verdict.value}"] if numbers[verdict] else []
    return f"{tests}, {', '.join(told)}"


def _cut(text: str) -> str:
    """A text in one line, and its beginning where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
