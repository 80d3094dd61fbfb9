"""What tests had over commits, as one HTML page. Runs in the process that writes it.

The charts are SVG that the template makes: the page runs no script.
"""

from collections.abc import Mapping
from typing import Any

from pytest_cowmem.model.history import Change, History, Point, Series
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.report.history import HEADERS, Part, cells, parts
from pytest_cowmem.report.page import page

# Of a chart, in its own units.
_WIDTH, _HEIGHT, _MARGIN = 320, 64, 6


def dumps(history: History) -> str:
    """The page: a part for each profile, with its tests and the commits that moved some."""
    count = len(history.changes)
    return page(
        "history.html",
        ("history.css",),
        title=f"Private memory over {count} commits" if count > 1 else "Private memory at a commit",
        history=history,
        headers=HEADERS,
        width=_WIDTH,
        height=_HEIGHT,
        parts=[_part(part, history) for part in parts(history)],
    )


def _part(part: Part, history: History) -> Mapping[str, Any]:
    tests = [
        {"id": one.test, "cells": cells(one), "chart": _chart(one, history)} for one in part.tests
    ]
    return {"profile": part.profile, "moved": part.moved, "tests": tests}


def _chart(one: Series, history: History) -> Mapping[str, Any]:
    """A chart over all commits, from zero at its foot to the test's most at its top.

    It has a line, a dot at the line's end, and a ring with a text for each commit that moved it.
    """
    places = {change: at for at, change in enumerate(history.changes)}
    wide = (_WIDTH - 2 * _MARGIN) / max(1, len(places) - 1)
    high = (_HEIGHT - 2 * _MARGIN) / max(1, *(point.private for point in one.points))

    def at(point: Point) -> tuple[float, float]:
        x, y = places[point.change] * wide, point.private * high
        return round(_MARGIN + x, 1), round(_HEIGHT - _MARGIN - y, 1)

    first, last = one.points[0], one.points[-1]
    return {
        "line": " ".join("{},{}".format(*at(point)) for point in one.points),
        "end": at(last),
        "rings": [(*at(point), _moved(point.change, by)) for point, by in one.moves],
        "said": f"from {render(first.private, 'bytes')} to {render(last.private, 'bytes')}",
    }


def _moved(change: Change, by: int) -> str:
    return f"{render_change(by, 'bytes')} {change.short} {change.subject}"
