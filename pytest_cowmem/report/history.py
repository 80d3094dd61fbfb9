"""What tests had over commits, as text and as data. Runs in the process that tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from tabulate import tabulate

from pytest_cowmem.model.history import Change, History, Series
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.report.view import short

FORMAT = 1
HEADERS = ("test", "first", "last", "change", "moved by")
_SIDES = ("left", *["right"] * 4)


@dataclass(frozen=True)
class Part:
    """A profile's tests, and the changes that moved some of them, each with sentences on that.

    The newest change comes first, and of its tests the one that it moved most.
    """

    profile: str
    tests: list[Series]
    moved: list[tuple[Change, list[str]]]


def parts(history: History) -> list[Part]:
    """A history by profile."""
    return [
        Part(profile, of_profile := [*tests], _moved(history, of_profile))
        for profile, tests in groupby(history.series, attrgetter("profile"))
    ]


def _moved(history: History, tests: list[Series]) -> list[tuple[Change, list[str]]]:
    moves = [(point.change, by, one.test) for one in tests for point, by in one.moves]
    found = []
    for change in reversed(history.changes):
        ordered = sorted(
            ((by, test) for of, by, test in moves if of == change),
            key=lambda move: abs(move[0]),
            reverse=True,
        )
        if ordered:
            sentences = [f"{render_change(by, 'bytes')} {short(test)}" for by, test in ordered]
            found.append((change, sentences))
    return found


def cells(one: Series) -> list[str]:
    """A test's row, under HEADERS."""
    first, last = one.points[0].private, one.points[-1].private
    count = len(one.moves)
    return [
        short(one.test) + (" (gone)" if one.gone else ""),
        *(render(amount, "bytes") for amount in (first, last)),
        render_change(one.difference, "bytes"),
        "1 commit" if count == 1 else f"{count} commits",
    ]


def as_text(history: History) -> Iterator[str]:
    """For each profile a table of its tests, and the commits that moved some."""
    for part in parts(history):
        yield f"profile {part.profile}"
        rows = [cells(one) for one in part.tests]
        yield tabulate(rows, headers=HEADERS, colalign=_SIDES, disable_numparse=True)
        yield ""
        for change, sentences in part.moved:
            yield f"{change.short} {change.day} {change.subject}"
            yield from (f"  {sentence}" for sentence in sentences)
        if part.moved:
            yield ""


def as_data(history: History) -> dict[str, Any]:
    """All points, in types that JSON has; private in bytes."""
    return {
        "format": FORMAT,
        "commits": [vars(change) for change in history.changes],
        "profiles": {
            part.profile: {
                one.test: [
                    {"commit": it.change.commit, "private": it.private, "moved": it.moved}
                    for it in one.points
                ]
                for one in part.tests
            }
            for part in parts(history)
        },
    }
