"""The text of a failed gate. Runs in the pytest process; a function of one record."""

from collections.abc import Sequence

from tabulate import tabulate

from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.report.why import why, wrapped

_SHOWN = ("private", "growth", "gc_pause", "gc_collections")
_MOST_NAMES = 5


def explain_failure(record: Record) -> str:
    """Sentences for what is wrong, a table of what was measured, and how to go on."""
    wrong = [
        judgment
        for judgment in record.judgments
        if judgment.verdict not in (Verdict.OK, Verdict.IMPROVED)
    ]
    lines = [sentence(judgment, record.measurement.imports) for judgment in wrong]
    lines += [
        f"the gate stayed green with {render(proof.planted, 'bytes')} planted ({proof.kind}), twice the {render(proof.allowed, 'bytes')} "
        "it tolerates: please report this as a bug of pytest-cowmem"
        for proof in record.proofs
        if proof.failed
    ]
    lines = lines or [f"{record.test} is {record.verdict.value}{advice(record.verdict)}"]
    lines += [f"note: {note}" for note in record.notes]
    lines = [wrapped(line) for line in lines]
    lines += ["", table(record), ""]
    if record.explanation is not None:
        lines += [why(record, record.explanation), ""]
    if record.verdict is Verdict.REGRESSED:
        lines.append("to accept them: pytest --cowmem --cowmem-update, then commit the baseline")
    return "\n".join(lines)


def sentence(judgment: Judgment, imports: Sequence[str]) -> str:
    """What is wrong with one metric: excess, limit, measured, which `imports` were late, and for noise what usually causes it."""
    unit = METRICS[judgment.metric].unit
    if judgment.measured is None:
        return f"{judgment.metric} could not be measured: {why_missing(judgment.metric)}"
    measured = render(judgment.measured, unit)
    if judgment.verdict is Verdict.NEW:
        return f"{judgment.metric} is new: {measured}, and the baseline has none"
    if judgment.verdict is Verdict.OVER:
        assert judgment.budget is not None
        excess = render(judgment.measured - judgment.budget, unit)
        named = (
            f" ({', '.join(imports[:_MOST_NAMES])}{', ...' if len(imports) > _MOST_NAMES else ''})"
            if judgment.metric == "imports"
            else ""
        )
        return f"{judgment.metric} is over budget by {excess}: {measured} of {render(judgment.budget, unit)}{named}"
    if judgment.verdict is Verdict.NOISY:
        share = "half" if METRICS[judgment.metric].least else "a quarter"
        return (
            f"{judgment.metric} is noisy: {share} of the rounds are {render(judgment.spread, unit)} or more from {measured}, "
            f"and {render(judgment.allowed, unit)} is tolerated; "
            "look for what differs between rounds: the time of day, randomness, threads, the network"
        )
    assert judgment.difference is not None
    assert judgment.baseline is not None
    return (
        f"{judgment.metric} has regressed by {render(judgment.difference, unit)}: {measured}, "
        f"baseline {render(judgment.baseline, unit)}, {render(judgment.allowed, unit)} tolerated"
    )


def why_missing(metric: str) -> str:
    """Why a metric can be absent from a measurement."""
    if metric == "growth":
        return "it takes at least 20 requests to tell growth from warming up; make more, for instance with cow_worker.burst()"
    if metric.startswith("gc_"):
        return (
            "the app took the recorder out of gc.callbacks; let it leave what it did not put there"
        )
    if metric in ("first", "cpu"):
        return "the test made no request"
    return "this machine does not give it"


def advice(verdict: Verdict) -> str:
    """How to go on after a verdict on the whole test."""
    if verdict in (Verdict.NEW, Verdict.INCOMPATIBLE):
        return ", which --cowmem-strict does not allow: record it with --cowmem-update, and commit the baseline"
    if verdict is Verdict.IMPROVED:
        return ", and cowmem_ratchet wants that locked in: run with --cowmem-update, and commit the baseline"
    return ""


def table(record: Record) -> str:
    """The metrics that are gated, budgeted or wrong: measured, budget, baseline, difference, verdict."""
    rows = []
    for judgment in record.judgments:
        if (
            judgment.metric not in _SHOWN
            and judgment.budget is None
            and judgment.verdict is Verdict.OK
        ):
            continue
        unit = METRICS[judgment.metric].unit
        amounts = [
            None if amount is None else render(amount, unit)
            for amount in (judgment.measured, judgment.budget, judgment.baseline)
        ]
        difference = (
            None if judgment.difference is None else render_change(judgment.difference, unit)
        )
        rows.append([judgment.metric, *amounts, difference, judgment.verdict.value])
    headers = ["metric", "measured", "budget", "baseline", "difference", "verdict"]
    return tabulate(
        rows,
        headers=headers,
        missingval="-",
        colalign=("left", "right", "right", "right", "right", "left"),
        disable_numparse=True,
    )
