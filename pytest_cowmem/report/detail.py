"""What a page shows of one test, as plain data for its scripts. Runs in the process that writes it.

Amounts are bytes, nanoseconds or counts, and the scripts render them. Each list has what is most
first. What a test does not have is left out.
"""

from collections.abc import Iterator
from typing import Any

from pytest_cowmem.model.explanation import Collections, Explanation, Line, by_statement
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.failure import ACCEPTABLE, helps, sentences, shared
from pytest_cowmem.report.ranked import ranked, red_metrics
from pytest_cowmem.report.reasons import Reasons, reasons
from pytest_cowmem.report.since import Since, modules_of
from pytest_cowmem.report.view import in_table, planted
from pytest_cowmem.report.what_if import compared, failed
from pytest_cowmem.report.why import causes, function_of, under

_MOST = 40  # rows of a table; the others are summed up
_OTHERS = "others"

Data = dict[str, Any]


def detail(record: Record, invocation: Invocation) -> Data:
    """All that is shown of a record when its row is opened."""
    measurement, first = record.measurement, in_table(record)
    found: Data = {
        "test": record.test,
        "said": sentences(record) if record.failed else [f"note: {it}" for it in record.notes],
        "metrics": [
            [it.metric, METRICS[it.metric].unit, it.measured, it.budget, it.baseline, it.verdict]
            for it in sorted(record.judgments, key=lambda it: it not in first)
        ],
        "ages": measurement.ages,
        "children": [[child.private, child.what, child.during] for child in measurement.children],
        "proofs": [[proof.kind, planted(proof)] for proof in record.proofs],
        "again": invocation.run([record.test]),
        **_why(record),
        **_pictures(record),
    }
    if record.what_if:
        found["policies"] = {"columns": compared(record.what_if), "failed": failed(record.what_if)}
    if record.failed and record.verdict in ACCEPTABLE:
        found["accept"] = invocation.update([record.test])
    return {name: value for name, value in found.items() if value}


def _pictures(record: Record) -> Data:
    """The memory map, the traced round's where there is one, and the collections."""
    traced = record.explanation and record.explanation.map
    drawn = traced or record.measurement.map
    pauses = record.measurement.pauses
    return {
        "map": drawn
        and {
            "traced": bool(traced),
            "page": drawn.page,
            "modules": drawn.modules,
            "regions": drawn.coded,
        },
        "pauses": pauses.events
        and {"events": pauses.events, "cpu": pauses.cpu, "more": pauses.more},
    }


def _why(record: Record) -> Data:
    """Where the bytes went, or why that is not known."""
    told = [] if record.shared is None else [*map(_flat, shared(record, record.shared))]
    if record.left_out and record.explanation is None:
        told.append(f"not traced, since {record.left_out} other red tests were; run alone, it is")
    if record.explanation is None:
        return {"why": told}
    shown, explanation = reasons(record, record.explanation), record.explanation
    return {
        "why": [*told, _flat(causes(shown))],
        "advice": [[it.rule, it.text] for it in (*shown.explanation.advice, *helps(record))],
        "lines": [*_lines(record, explanation)],
        "modules": [*_modules(record, explanation)],
        "imports": [[it.by, it.place, it.bytes] for it in by_statement(explanation.imports)][
            :_MOST
        ],
        **_kept(shown),
    }


def _kept(shown: Reasons) -> Data:
    """The containers that grew, and the objects on copied pages."""
    explanation = shown.explanation
    return {
        "containers": [
            [it.name, it.place, it.before, it.after, it.unit, it.a_request, it.bytes]
            for it in explanation.containers[:_MOST]
        ],
        "holders": [[it.name, it.bytes, it.objects] for it in explanation.objects.modules[:_MOST]],
        "types": [[it.name, it.bytes, it.objects] for it in explanation.objects.types[:_MOST]],
    }


def _lines(record: Record, explanation: Explanation) -> Iterator[list[object]]:
    """(place, function, the library's line under it, bytes, those that are new) of each line.

    What is new is None where the baseline does not tell.
    """
    since = Since(record, explanation)
    parts = ranked(explanation, red_metrics(record))
    for part in parts[:_MOST]:
        new = since.new(part) if since.tells else None
        yield [part.place, function_of(part), under(part), part.bytes, new]
    if rest := parts[_MOST:]:
        yield [f"{len(rest)} {_OTHERS}", "", "", _sum(rest), None]


def _sum(parts: list[Line | Collections]) -> int:
    return sum(part.bytes for part in parts)


def _modules(record: Record, explanation: Explanation) -> Iterator[list[object]]:
    """(module, bytes, the baseline's bytes) of each module; None where it has no modules."""
    now, baseline = explanation.modules, modules_of(record)
    before = baseline or {}
    names = sorted({*now, *before}, key=lambda it: (-max(now.get(it, 0), before.get(it, 0)), it))
    shown = {name: [name] for name in names[:_MOST]}
    if rest := names[_MOST:]:
        shown[f"{len(rest)} {_OTHERS}"] = rest
    for title, of in shown.items():
        was = sum(before.get(name, 0) for name in of)
        yield [title, sum(now.get(name, 0) for name in of), None if baseline is None else was]


def _flat(text: str) -> str:
    """A sentence that was wrapped for a terminal, in one line."""
    return " ".join(text.split())
