"""The descendants of a test's worker, a row each. Runs in the pytest process."""

from collections.abc import Iterator

from tabulate import tabulate

from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render

_MOST_ROWS = 8
_MOST_LETTERS = 28


def children(record: Record) -> Iterator[str]:
    """A table of the descendants in the order of their start; nothing where there are none.

    Pages that several of them share are in no row.
    """
    found = record.measurement.children
    if not found:
        return
    count, shown = len(found), found[:_MOST_ROWS]
    rows = [
        [
            render(child.private, "bytes"),
            f"{number} of {count}",
            _cut(child.what),
            _cut(child.during),
        ]
        for number, child in enumerate(shown, 1)
    ]
    if rest := found[_MOST_ROWS:]:
        private = sum(child.private for child in rest)
        rows.append([render(private, "bytes"), f"{len(rest)} more", "", ""])
    headers = ("private", "child", "what", "begun while the worker was")
    sides = ("right", "left", "left", "left")
    text = tabulate(rows, headers=headers, colalign=sides, disable_numparse=True)
    yield from (line.rstrip() for line in text.splitlines())


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "..."
