"""What is shown of two runs beside each other. Runs in the process that compares; no I/O."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tabulate import tabulate

from pytest_cowmem.model.baseline import Entry
from pytest_cowmem.model.comparison import Compared, Comparison
from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import Judgment, Verdict, judgment_of
from pytest_cowmem.report.markup import cell, code
from pytest_cowmem.report.view import cut, once, short

COLUMNS = ("test", "metric", "old", "new", "change", "verdict")
REMOVED = "removed"
WIDE = 160  # characters of a line where no terminal says how many
_LONGEST = 400  # characters of a sentence
_SHORTEST_NAME = 30
_GRAVITY = {verdict.value: at for at, verdict in enumerate(Verdict)}
_SIDES = ("left", "left", "right", "right", "right", "left")


class Row(NamedTuple):
    """One metric of one test, as people read it."""

    test: str
    metric: str
    old: str
    new: str
    change: str
    verdict: str


def word(one: Compared) -> str:
    """What is said of a test in one word or two."""
    if one.ruling:
        return one.ruling.verdict.value
    return Verdict.NEW.value if one.old is None else REMOVED


def headline(comparison: Comparison) -> str:
    """The comparison in one line: "1 of 24 tests is red: 1 regressed, 2 improved, 21 ok"."""
    red, total = sum(one.failed for one in comparison.tests), len(comparison.tests)
    counts = Counter(map(word, comparison.tests))
    found = ", ".join(f"{counts[name]} {name}" for name in (*_GRAVITY, REMOVED) if counts[name])
    tests = "1 test" if total == 1 else f"{total} tests"
    is_red = f"{red} of {tests} {'is' if red == 1 else 'are'} red" if red else f"{tests}, none red"
    return f"{is_red}: {found}" if found else is_red


def rows(tests: Sequence[Compared], *, unchanged: bool) -> list[Row]:
    """A row for the private bytes of each test, the worst first, and for each metric that changed.

    Tests that are ok in all are left out, unless `unchanged` asks for them.
    """
    names = [short(one.test) for one in tests]
    name = short if len({*names}) == len(names) else str
    shown = [one for one in tests if unchanged or word(one) != Verdict.OK.value]
    return [row for one in sorted(shown, key=_order) for row in _rows(one, name(one.test))]


def _order(one: Compared) -> tuple[int, int]:
    private = judgment_of(one.ruling.judgments, PRIVATE) if one.ruling else None
    grown = (private and private.difference) or 0
    return _GRAVITY.get(word(one), len(_GRAVITY)), -grown


def _rows(one: Compared, name: str) -> Iterator[Row]:
    if one.ruling is None:
        yield Row(name, PRIVATE, _private(one.old), _private(one.new), "-", word(one))
        return
    for judgment in one.ruling.judgments:
        if judgment.metric == PRIVATE or judgment.verdict is not Verdict.OK:
            yield _row(name, judgment)


def _private(entry: Entry | None) -> str:
    return _amount(entry.metrics.get(PRIVATE) if entry else None, PRIVATE)


def _row(name: str, judgment: Judgment) -> Row:
    metric, difference = judgment.metric, judgment.difference
    return Row(
        name,
        metric,
        _amount(judgment.baseline, metric),
        _amount(judgment.measured, metric),
        "-" if difference is None else render_change(difference, METRICS[metric].unit),
        judgment.verdict.value,
    )


def _amount(amount: int | None, metric: str) -> str:
    return "-" if amount is None else render(amount, METRICS[metric].unit)


def sentences(comparison: Comparison) -> Iterator[str]:
    """What there is to know besides: notes of the gate, and what has nothing beside it."""
    yield from once(
        (f"note: {note}", one.test)
        for one in comparison.tests
        if one.ruling and word(one) != Verdict.OK.value
        for note in one.ruling.notes
    )
    for side, profiles in (("old", comparison.only_old), ("new", comparison.only_new)):
        if len(profiles) == 1:
            yield f"not compared, since the {side} side alone has it: profile {profiles[0]}"
        elif profiles:
            yield f"not compared, since the {side} side alone has them: {len(profiles)} profiles"
    if comparison.unrun:
        tests = "1 test" if len(comparison.unrun) == 1 else f"{len(comparison.unrun)} tests"
        yield f"not compared, since the new side failed or did not run them: {tests}"


def as_text(comparison: Comparison, *, unchanged: bool, width: int = WIDE) -> str:
    """A table for each profile, with names cut to the width, and what there is to know besides."""
    lines = []
    for profile, tests in _by_profile(comparison).items():
        if found := rows(tests, unchanged=unchanged):
            lines += [f"profile {profile}", _table(found, width), ""]
    return "\n".join([*lines, *sentences(comparison), headline(comparison)])


def _table(found: Sequence[Row], width: int) -> str:
    nameless = _drawn([row._replace(test="") for row in found])
    room = max(width - len(nameless.partition("\n")[0]) + len(COLUMNS[0]), _SHORTEST_NAME)
    return _drawn([row._replace(test=cut(row.test, room)) for row in found])


def _drawn(found: Sequence[Row]) -> str:
    return tabulate(found, headers=COLUMNS, colalign=_SIDES, disable_numparse=True)


def as_markdown(comparison: Comparison, *, unchanged: bool) -> str:
    """The same for a comment: GitHub's tables, with names and notes as code."""
    lines = [f"**{headline(comparison)}**", ""]
    for profile, tests in _by_profile(comparison).items():
        if found := rows(tests, unchanged=unchanged):
            lines += [
                f"Profile {code(profile)}",
                "",
                _piped(COLUMNS),
                _piped(["---"] * len(COLUMNS)),
            ]
            lines += [_piped([cell(row.test), *row[1:]]) for row in found]
            lines.append("")
    lines += [f"- {code(sentence, _LONGEST)}" for sentence in sentences(comparison)]
    return "\n".join(lines).rstrip()


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_data(comparison: Comparison) -> dict[str, Any]:
    """All of it in types that JSON has; amounts in bytes, nanoseconds or counts."""
    return {
        "failed": comparison.failed,
        "only_old": comparison.only_old,
        "only_new": comparison.only_new,
        "unrun": comparison.unrun,
        "tests": [_test(one) for one in comparison.tests],
    }


def _test(one: Compared) -> dict[str, Any]:
    judgments = one.ruling.judgments if one.ruling else ()
    return {
        "profile": one.profile,
        "test": one.test,
        "former": one.former,
        "verdict": word(one),
        "failed": one.failed,
        "metrics": {
            it.metric: {
                "old": it.baseline,
                "new": it.measured,
                "allowed": it.allowed,
                "verdict": it.verdict.value,
            }
            for it in judgments
        },
        "notes": one.ruling.notes if one.ruling else (),
    }


def _by_profile(comparison: Comparison) -> dict[str, list[Compared]]:
    found: dict[str, list[Compared]] = {}
    for one in comparison.tests:
        found.setdefault(one.profile, []).append(one)
    return found
