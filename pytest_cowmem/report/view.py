"""What is shown of a run, selected once; formats only render. Runs in the pytest process."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.record import Proof, Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.model.what_if import Advised
from pytest_cowmem.report.capacities import capacities
from pytest_cowmem.report.changes import as_line
from pytest_cowmem.report.groups import groups
from pytest_cowmem.report.masters import masters

COLUMNS = (
    "test",
    "private",
    "change",
    "of budget",
    "copied",
    "fresh",
    "gc pauses",
    "verdict",
)
_MOST_NAMES = 3
_FEWEST = 2  # red tests whose causes are summed up: one says it all itself
_MOST_TESTS = 10
_NOTHING_WRONG = frozenset({Verdict.OK, Verdict.IMPROVED})
_SETTLED = frozenset({Verdict.OK, Verdict.OVER, Verdict.NOISY})  # nothing of these to accept


@dataclass(frozen=True)
class Row:
    """One measured test: its full name, a cell for each of COLUMNS, and its verdict.

    `amounts` are those of the cells between the first and the last: bytes, a share, or the
    nanoseconds of the longest pause. None where there is none.
    """

    test: str
    cells: tuple[str, ...]
    amounts: tuple[float | None, ...]
    verdict: Verdict
    failed: bool


@dataclass(frozen=True)
class View:
    """A run as people read it, in the order it is shown.

    `nothing` says why there are no rows. `trees` holds the passed records whose worker had
    descendants, `explained` those that say where their bytes went, `proved` those whose gate was
    proved, and `tried` those replayed under other policies. `advised` says which policy each app is
    to follow.
    `causes`, `facts`, `notes`, `warnings` and `changes` are sentences, and `refused` is one.
    `accepting` is the command that accepts what differs, and `accept` a sentence with it. `reports`
    and `unreported` are sentences on the files written.
    """

    nothing: str
    rows: tuple[Row, ...]
    trees: tuple[Record, ...]
    explained: tuple[Record, ...]
    proved: tuple[Record, ...]
    tried: tuple[Record, ...]
    advised: tuple[Advised, ...]
    causes: tuple[str, ...]
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    changes: tuple[str, ...]
    refused: str
    accepting: str
    accept: str
    reports: tuple[str, ...]
    unreported: tuple[str, ...]


def view(document: Document) -> View:
    """What is shown of a run."""
    records = document.records
    accepting = _accepting(document)
    explained = [record for record in records if record.explanation and not record.failed]
    return View(
        nothing="" if records else why_nothing(document),
        rows=tuple(row(record) for record in records),
        trees=tuple(it for it in records if it.measurement.children and not it.failed),
        explained=tuple(explained) if document.explain else (),
        proved=tuple(record for record in records if record.proofs),
        tried=tuple(record for record in records if record.what_if),
        advised=document.advised,
        causes=(*_causes(document), *_left_out(document)),
        facts=(
            *masters(document.records),
            *capacities(document.records, document.host_memory),
            *_environments(document),
            *_improved(document),
        ),
        notes=tuple(_notes(document)),
        warnings=tuple(_warnings(document)),
        changes=tuple(
            as_line(change, _gated(document, change.test)) for change in document.changes
        ),
        refused=document.refused,
        accepting=accepting,
        accept=accepting and f"to accept: {accepting}, then commit {document.baseline}",
        reports=tuple(f"report: {path}" for path in document.reported),
        unreported=document.unreported,
    )


def wrong(record: Record) -> list[Judgment]:
    """The judgments that a failure puts into sentences."""
    return [it for it in record.judgments if it.verdict not in _NOTHING_WRONG]


def in_table(record: Record) -> list[Judgment]:
    """The judgments that a failure's table shows: headlines, what is limited, what is not ok."""
    return [
        judgment
        for judgment in record.judgments
        if METRICS[judgment.metric].headline
        or judgment.budget is not None
        or judgment.verdict is not Verdict.OK
    ]


def short(test: str) -> str:
    """A node id without its folders and file suffix."""
    file, _, name = test.partition("::")
    return f"{file.rpartition('/')[2].removesuffix('.py')}::{name}"


def cut(name: str, room: int) -> str:
    """A name of at most `room` characters; a long one keeps its end, which says more of it."""
    return name if len(name) <= room else "..." + name[len(name) - max(room - 3, 1) :]


def planted(proof: Proof) -> str:
    """The amount planted when the gate went red, or the amount that was too little."""
    amount = render(proof.planted, "bytes")
    return amount if proof.caught else f"not at {amount}"


def row(record: Record) -> Row:
    """One record's row."""
    private = record.judgment(PRIVATE)
    assert private is not None
    assert private.measured is not None
    parts = _parts(record, private.measured)
    share = private.measured / private.budget if private.budget else None
    copied, fresh = parts.get("copied"), parts.get("fresh")
    cells = (
        short(record.test),
        render(private.measured, "bytes"),
        "-" if private.difference is None else render_change(private.difference, "bytes"),
        "-" if share is None else f"{share:.0%}",
        "-" if copied is None else render(copied, "bytes"),
        "-" if fresh is None else render(fresh, "bytes"),
        _pauses(record),
        record.verdict.value,
    )
    longest = record.measurement.values.get("gc_pause")
    amounts = (private.measured, private.difference, share, copied, fresh, longest)
    return Row(record.test, cells, amounts, record.verdict, record.failed)


def _parts(record: Record, private: int) -> Mapping[str, int]:
    """What `private` consists of: the first layout's, where that is what `private` is of."""
    measurement = record.measurement
    first = {name: amounts[0] for name, amounts in measurement.layouts.items()}
    return first if first.get(PRIVATE) == private else measurement.values


def _pauses(record: Record) -> str:
    values = record.measurement.values
    collections = values.get("gc_collections")
    if collections is None:
        return "-"
    return f"{collections} to {render(values['gc_pause'], 'ns')}" if collections else "none"


def why_nothing(document: Document) -> str:
    if document.tests and document.complete:
        return "no test that uses cow_worker or has a budget has passed its own assertions"
    if document.broken:
        return f"not all of {_first(document.broken)} was collected"
    if not document.complete:
        return "the run ended before its first measured test did"
    return "there is no test that uses cow_worker or has a budget"


def _first(names: Sequence[str]) -> str:
    """The names, as far as a sentence holds them."""
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _causes(document: Document) -> Iterator[str]:
    """The causes of red tests, a sentence each, where more than one test is told of."""
    found = groups(document.records)
    if sum(len(group.traced) + len(group.alike) for group in found) < _FEWEST:
        return
    for group in found:
        alike = f"; grew alike, and not traced: {_names(group.alike)}" if group.alike else ""
        size = render(group.cause.bytes, "bytes")
        yield f"cause: {group.cause.text}, {size}: {_names(group.traced)}{alike}"


def _left_out(document: Document) -> Iterator[str]:
    """Which red tests were not traced, since others were."""
    tests = [record.test for record in document.records if record.left_out]
    if tests:
        count = max(record.left_out for record in document.records)
        yield f"not traced, since {count} other red tests were: {_names(tests)}"


def _names(tests: Sequence[str]) -> str:
    """Tests for a sentence, the first ones by name."""
    names = ", ".join(map(short, tests[:_MOST_TESTS]))
    more = len(tests) - _MOST_TESTS
    return f"{names} and {more} more" if more > 0 else names


def _environments(document: Document) -> Iterator[str]:
    for profile, environment in document.environments.items():
        yield f"profile {profile}"
        speed = render(int(environment["gc_speed"]), "ns")
        yield f"ASLR {environment['aslr']}, THP {environment['thp']}, gc speed {speed}"


def _notes(document: Document) -> Iterator[str]:
    """What differs from the baseline, each note once."""
    yield from once(
        (f"note: {note}", record.test) for record in document.records for note in record.notes
    )


def _improved(document: Document) -> Iterator[str]:
    """The metrics that improved, but for `private`, which is in the table."""
    yield from once(
        (f"improved: {judgment.metric}", record.test)
        for record in document.records
        for judgment in record.judgments
        if judgment.verdict is Verdict.IMPROVED and judgment.metric != PRIVATE
    )


def once(told: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each sentence once, with its test's name, or with how many tests it is told of."""
    tests: dict[str, list[str]] = {}
    for sentence, test in told:
        tests.setdefault(sentence, []).append(test)
    for sentence, of in tests.items():
        where = of[0].rpartition("::")[2] if len(of) == 1 else f"{len(of)} tests"
        yield f"{sentence} ({where})"


def _warnings(document: Document) -> Iterator[str]:
    """Sentences on what lacks a baseline, a figure or a test."""
    if document.unverified:
        yield document.unverified
    if document.ci and document.changes:
        count = len(document.changes)
        entries = "1 entry" if count == 1 else f"{count} entries"
        yield (
            f"this run in CI accepted what it measured, {entries} of {document.baseline}: "
            "it gates nothing, so update where somebody looks at the change"
        )
    if document.records and not document.complete:
        yield "incomplete: not all tests ran to their end, so stale entries are not told"
    yield from _without_entry(document)
    for sentence in document.unmeasured:
        yield f"not measured: {sentence}"
    for record in document.records:
        for judgment in record.judgments:
            if judgment.verdict is Verdict.MISSING:
                yield f"missing: {judgment.metric} of {record.test} could not be measured"
    lacking = _lacking(document)
    if lacking:
        names = ", ".join(lacking)
        yield f"missing: {names}: this machine does not give them, cowmem doctor says why"
    for test in document.stale:
        yield f"stale: {test} is in the baseline, and nothing measures it any more"


def _without_entry(document: Document) -> Iterator[str]:
    name, unwritten = document.baseline, document.unwritten
    verdicts = Counter(record.verdict for record in unwritten if record.accepted is None)
    if count := verdicts[Verdict.NEW]:
        yield f"{count} new: no entry in {name}, so nothing to compare with"
    if count := verdicts[Verdict.INCOMPATIBLE]:
        yield f"{count} incompatible: {name} has only {', '.join(document.profiles)}"
    for record in unwritten:
        for judgment in record.judgments:
            if judgment.verdict is Verdict.NEW:
                yield f"new: {judgment.metric} of {record.test} is not in {name}"


def _lacking(document: Document) -> list[str]:
    """The metrics that every test lacks, of those that a kernel can be built without."""
    if not document.records:
        return []
    had = {name for record in document.records for name in record.measurement.values}
    return [name for name, metric in METRICS.items() if metric.needs and name not in had]


def _gated(document: Document, test: str) -> set[str]:
    """The metrics that a test is held to: those of all tests, and its own as far as they differ."""
    gated = set(document.gated)
    for record in document.records:
        if record.test == test:
            judgments = record.judgments
            gated |= {one.metric for one in judgments if one.verdict is not Verdict.OK}
    return gated


def _accepting(document: Document) -> str:
    """The command that accepts what differs, empty when nothing does.

    It names the tests, those that failed where any did, so that no other is accepted with them. It
    names none where all differ, or where nothing but entries without a test is to be removed.
    """
    differ = [it for it in document.records if it.verdict not in _SETTLED and not it.plain]
    if document.update is not None or not (differ or document.stale):
        return ""
    failed = [record.test for record in differ if record.failed]
    tests = failed or [record.test for record in differ]
    all_of_them = len(tests) == len(document.records) or (document.stale and not failed)
    return document.invocation.update(() if all_of_them else tests)
