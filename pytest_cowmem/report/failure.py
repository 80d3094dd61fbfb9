"""The text of a failed gate. Runs in the pytest process; a function of one record."""

from collections.abc import Iterator, Sequence

from tabulate import tabulate

from pytest_cowmem.model.cause import Shared
from pytest_cowmem.model.explanation import Advice
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import listed, render, render_change
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.report.children import children
from pytest_cowmem.report.reasons import reasons
from pytest_cowmem.report.view import in_table, wrong
from pytest_cowmem.report.why import bullet, modules, why, wrapped

_MOST_NAMES = 5
ACCEPTABLE = (Verdict.REGRESSED, Verdict.NEW, Verdict.INCOMPATIBLE, Verdict.IMPROVED)
_MOST_BESIDES = 3
_PLAIN = (
    "where the bytes went is not known of a plain test: to have it traced, call what it does with "
    "cow_worker.call()"
)
_HEADERS = ("metric", "measured", "budget", "baseline", "difference", "verdict")


def explain_failure(record: Record, invocation: Invocation) -> str:
    """What is wrong and where it comes from, and how to go on."""
    text = what_is_wrong(record)
    if record.verdict in ACCEPTABLE and (command := invocation.update([record.test])):
        text += f"\nto accept: {command}, then commit the baseline"
    return text


def what_is_wrong(record: Record) -> str:
    """Sentences for what is wrong, a table of what was measured, and where the bytes went."""
    lines = [*map(wrapped, sentences(record)), "", table(record), ""]
    if rows := [*children(record)]:
        lines += [*rows, ""]
    return "\n".join([*lines, *_why(record)])


def sentences(record: Record) -> list[str]:
    """What is wrong with a failed test, and the notes on it."""
    imports = record.measurement.imports
    told = [sentence(judgment, imports) for judgment in wrong(record)]
    told += _unproved(record)
    if not told:
        told = [f"{record.test} is {record.verdict.value}{advice(record.verdict)}"]
    return told + [f"note: {note}" for note in (*record.notes, *_layouts(record))]


def _why(record: Record) -> Iterator[str]:
    """Where the bytes went, in whose explanation it says so, or why it is not known."""
    if record.shared is not None:
        yield from shared(record, record.shared)
    elif record.explanation is not None:
        yield why(reasons(record, record.explanation))
        yield from map(bullet, helps(record))
    elif record.left_out:
        yield wrapped(f"not traced, since {record.left_out} other red tests were; run alone, it is")
    elif record.plain:
        yield wrapped(_PLAIN)
    else:
        return
    yield ""


def helps(record: Record) -> Iterator[Advice]:
    """The policy that helps most, where policies were tried in this run or for the baseline."""
    found = record.entry.what_if or (record.accepted and record.accepted.what_if)
    if not found:
        return
    changes = [(found.private, "private"), (found.aged, "in the long run")]
    said = [f"{render(-change, 'bytes')} {where}" for change, where in changes if change < 0]
    yield Advice("what-if", f"{found.policy!r} wins back {listed(said)}", None)


def shared(record: Record, shared: Shared) -> Iterator[str]:
    """In which test's explanation the cause is, or may be, and what differs from it here."""
    cause = shared.cause
    if record.explanation is None:
        names = f", whose explanation names {cause.text}" if cause else ", which was traced"
        yield wrapped(
            f"grew as {shared.test} did{names}. This test was not traced itself; run alone, it is"
        )
        return
    assert cause is not None
    yield wrapped(
        f"the same cause as in {shared.test}, which is explained there: "
        f"{cause.text}, {render(cause.bytes, 'bytes')}"
    )
    yield from modules(reasons(record, record.explanation))
    if shared.besides:
        told = [f"{it.text} {render(it.bytes, 'bytes')}" for it in shared.besides[:_MOST_BESIDES]]
        yield wrapped(f"new here, and not there: {', '.join(told)}")


def _layouts(record: Record) -> Iterator[str]:
    """A word on layouts where the app's objects lie in other pages than in the baseline's run."""
    accepted = record.accepted
    if accepted is None or accepted.layout == record.entry.layout:
        return
    counts = {len(record.measurement.layouts.get(one.metric, ())) for one in wrong(record)}
    if layouts := max(counts, default=0):
        yield (
            "objects lie in other pages than in the baseline's run: "
            f"the mean of {layouts} layouts is compared with the baseline's of {accepted.layouts}"
        )


def _unproved(record: Record) -> Iterator[str]:
    for proof in record.proofs:
        if proof.failed:
            yield (
                f"the gate stayed green with {render(proof.planted, 'bytes')} planted "
                f"({proof.kind}), twice the {render(proof.allowed, 'bytes')} it tolerates: "
                "please report this as a bug of pytest-cowmem"
            )


def sentence(judgment: Judgment, imports: Sequence[str]) -> str:
    """What is wrong with one metric; `imports` are the modules that were imported late."""
    metric = METRICS[judgment.metric]
    if judgment.measured is None:
        return f"{metric.name} could not be measured: {metric.missing}"
    measured = render(judgment.measured, metric.unit)
    allowed = render(judgment.allowed, metric.unit)
    if judgment.verdict is Verdict.NEW:
        return f"{metric.name} is new: {measured}, and the baseline has none"
    if judgment.verdict is Verdict.OVER:
        assert judgment.budget is not None
        if metric.floor:
            missing = render(judgment.budget - judgment.measured, metric.unit)
            budget = render(judgment.budget, metric.unit)
            return f"{metric.name} is below its budget by {missing}: {measured} of {budget}"
        excess = render(judgment.measured - judgment.budget, metric.unit)
        budget = render(judgment.budget, metric.unit)
        names = _named(imports) if metric.name == "imports" else ""
        return f"{metric.name} is over budget by {excess}: {measured} of {budget}{names}"
    if judgment.verdict is Verdict.NOISY:
        spread = render(judgment.spread, metric.unit)
        return (
            f"{metric.name} is noisy: a quarter of the rounds are {spread} or more from "
            f"{measured}, and {allowed} is tolerated; look for what differs between rounds: "
            "the time of day, randomness, threads, the network; else make more requests, among "
            f"which it weighs less, or widen the tolerance of {metric.name} in cowmem_tolerance"
        )
    assert judgment.difference is not None
    assert judgment.baseline is not None
    difference = render(abs(judgment.difference), metric.unit)
    baseline = render(judgment.baseline, metric.unit)
    return (
        f"{metric.name} has regressed by {difference}: {measured}, baseline {baseline}, "
        f"{allowed} tolerated"
    )


def _named(imports: Sequence[str]) -> str:
    more = ", ..." if len(imports) > _MOST_NAMES else ""
    return f" ({', '.join(imports[:_MOST_NAMES])}{more})"


def advice(verdict: Verdict) -> str:
    """How to go on after a verdict on the whole test."""
    if verdict in (Verdict.NEW, Verdict.INCOMPATIBLE):
        return (
            ", which fails in CI and under --cowmem-strict: "
            "look at it, and accept it with this Python"
        )
    if verdict is Verdict.IMPROVED:
        return ", and cowmem_ratchet wants that locked in"
    return ""


def table(record: Record) -> str:
    """The metrics that are budgeted, wrong, or always shown."""
    rows = [_row(judgment) for judgment in in_table(record)]
    sides = ("left", "right", "right", "right", "right", "left")
    return tabulate(rows, headers=_HEADERS, missingval="-", colalign=sides, disable_numparse=True)


def _row(judgment: Judgment) -> list[str | None]:
    unit = METRICS[judgment.metric].unit
    amounts = (judgment.measured, judgment.budget, judgment.baseline)
    cells = [None if amount is None else render(amount, unit) for amount in amounts]
    difference = judgment.difference
    change = None if difference is None else render_change(difference, unit)
    return [judgment.metric, *cells, change, judgment.verdict.value]
