"""What tests would cost under other policies, for a terminal. Runs in the pytest process."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain

from tabulate import tabulate

from pytest_cowmem.model.metrics import AGED, MASTER, METRICS, USS
from pytest_cowmem.model.units import listed, render, render_change
from pytest_cowmem.model.what_if import AS_CONFIGURED, Advised, Outcome
from pytest_cowmem.report.paste import Followed, paste

_TIMES = ("gc_pause", "gc_total", "cpu")
_METRICS = ("private", "copied", "fresh", *_TIMES, MASTER)
# Which columns go first when the terminal is narrow.
_DROPPED = ("fresh", "copied", "gc_total", MASTER, "cpu", "gc_pause")
_NOISE = "~"

Columns = dict[str, list[str]]


def policies(outcomes: Sequence[Outcome], width: int) -> list[str]:
    """The lines of a test's table, each at most `width` characters, as far as columns can go.

    A policy's figures have their change beside them, or `~` where that may be noise.
    """
    columns = compared(outcomes)
    for dropped in _DROPPED:
        if max(map(len, _draw(columns))) <= width:
            break
        del columns[dropped]
    wrapped = [textwrap.wrap(line, width, subsequent_indent="  ") for line in failed(outcomes)]
    return [*_draw(columns), *chain(*wrapped)]


def compared(outcomes: Sequence[Outcome]) -> Columns:
    """The cells of each column, one for each outcome that was measured, in full."""
    measured = [one for one in outcomes if not one.failed]
    columns: Columns = {"policy": [one.name for one in measured]}
    for name in _METRICS:
        columns[name] = [_cell(one, name) for one in measured]
    columns["workers"] = [_count(one, one.workers, outcomes[0].workers, USS) for one in measured]
    columns["lasting"] = [_count(one, one.lasting, outcomes[0].lasting, AGED) for one in measured]
    return columns


def failed(outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence on each outcome that was not measured."""
    return [f"{one.name} was not measured: {one.failed}" for one in outcomes if one.failed]


def _cell(outcome: Outcome, name: str) -> str:
    amount = outcome.amounts.get(name)
    if amount is None:
        return "-"
    shown = render(amount, METRICS[name].unit)
    if outcome.name == AS_CONFIGURED:
        return shown
    change = outcome.changes.get(name)
    if change is None:
        return f"{shown} {_NOISE}"
    before = amount - change
    return f"{shown} {change / before:+.0%}" if before else f"{shown} +"


def _count(outcome: Outcome, number: int, before: int, metric: str) -> str:
    """How many workers, and the change where the metric that decides on it differs."""
    if outcome.name == AS_CONFIGURED:
        return f"{number:,}"
    if metric not in outcome.changes or not before:
        return f"{number:,} {_NOISE}"
    return f"{number:,} {number / before - 1:+.0%}"


def _draw(columns: Columns) -> list[str]:
    sides = ["left", *["right"] * (len(columns) - 1)]
    text = tabulate(columns, headers="keys", colalign=sides, disable_numparse=True)
    return text.splitlines()


def advice(advised: Advised, host: int, width: int) -> Iterator[str]:
    """Which policy an app is to follow, what that brings and costs, and the lines for it."""
    app, best = advised.app, advised.best
    if best is None:
        yield f"{app}: no policy leaves room for more workers in the long run, by more than noise"
        return
    sentence = (
        f"{app}: follow {best.name!r}. In the long run {render(host, 'bytes')} then holds "
        f"{best.lasting:,} workers instead of {advised.before:,}{_costs(best)}."
    )
    yield from textwrap.wrap(sentence, width, subsequent_indent="  ")
    for place, text in paste(
        Followed(best.policy, advised.target, best.requests), advised.interface
    ):
        yield f"  {place}:"
        yield from textwrap.indent(text, "    ").splitlines()


def _costs(outcome: Outcome) -> str:
    """What gets worse by more than noise."""
    costs = [
        f"{name} {render_change(outcome.changes[name], METRICS[name].unit)}"
        for name in (*_TIMES, MASTER)
        if outcome.changes.get(name, 0) > 0
    ]
    return f"; it costs {listed(costs)}" if costs else "; it costs nothing that exceeds the noise"
