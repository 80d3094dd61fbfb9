"""The summary at the end of a run. Runs in the pytest process; a function of the run's records."""

import textwrap

import pytest
from tabulate import tabulate

from pytest_cowmem.judge.verdict import Verdict
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.report.why import why
from pytest_cowmem.run.session import Session

_DROPPED = (
    "gc pauses",
    "fresh",
    "copied",
    "of budget",
)  # which columns go first when the terminal is narrow
_SHORTEST_NAME = 30
_OF_THE_KERNEL = (
    "copied",
    "fresh",
    "peak",
    "returned",
)  # each has a file of its own in /proc, which a kernel may be built without
_COLOURS = {
    Verdict.OK: "green",
    Verdict.NEW: "yellow",
    Verdict.INCOMPATIBLE: "yellow",
    Verdict.IMPROVED: "cyan",
    Verdict.MISSING: "yellow",
}


def summarise(state: Session, reporter: pytest.TerminalReporter) -> None:
    """Print the table, the zygotes, the environment, and one line that says how to accept changes."""
    reporter.write_sep("=", "cowmem")
    if state.usage_error:
        reporter.write_line(f"ERROR: {state.usage_error}", red=True)
        return
    if not state.records:
        any_test = any(state.collected.values())
        why_none = (
            "no test that uses cow_worker has passed its own assertions"
            if any_test
            else "there is no test that uses cow_worker"
        )
        reporter.write_line(f"nothing was measured: {why_none}", yellow=True)
    else:
        lines = rows(state.records, reporter._tw.fullwidth)
        for line in lines[:2]:
            reporter.write_line(line)
        for line, record in zip(lines[2:], state.records, strict=True):
            reporter.write_line(
                line, **{_COLOURS.get(record.verdict, "red") if not record.failed else "red": True}
            )
        reporter.write_line("")
    for line in explanations(state.records) if state.settings.explain else ():
        reporter.write_line(line)
    for line in proofs(state.records):
        reporter.write_line(line)
    for line in facts(state.records):
        _say(reporter, line)
    for line in counts(state):
        _say(reporter, line, yellow=True)
    for line in state.changes:
        _say(reporter, f"baseline: {line}", red=state.write_failed)
    if hint := how_to_accept(state):
        _say(reporter, hint)


def _say(reporter: pytest.TerminalReporter, sentence: str, **colour: bool) -> None:
    """Write a sentence in as many lines as it takes at the terminal's width."""
    lines = textwrap.wrap(
        sentence,
        reporter._tw.fullwidth,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        reporter.write_line(line, **colour)


def rows(records: list[Record], width: int) -> list[str]:
    """The table's lines, header and rule first, at most `width` characters each: columns are dropped and names cut, nothing is wrapped."""
    columns: dict[str, list[str]] = {
        "test": [],
        "private": [],
        "change": [],
        "of budget": [],
        "copied": [],
        "fresh": [],
        "gc pauses": [],
        "verdict": [],
    }
    for record in records:
        for name, cell in zip(columns, cells(record), strict=True):
            columns[name].append(cell)
    if all(cell == "-" for cell in columns["of budget"]):
        del columns["of budget"]
    names = columns["test"]
    if len(set(names)) < len(names):
        columns["test"] = names = [record.test for record in records]
    for dropped in (*_DROPPED, None):
        room = width - len(_draw(columns | {"test": [""] * len(names)})[1]) + len("test")
        if room >= min(max(map(len, names)), _SHORTEST_NAME) or dropped is None:
            columns["test"] = [
                name if len(name) <= room else "..." + name[len(name) - max(room - 3, 1) :]
                for name in names
            ]
            break
        columns.pop(dropped, None)
    return _draw(columns)


def cells(record: Record) -> list[str]:
    """One record's cells, all columns."""
    values = record.measurement.values
    private = record.judgment("private")
    assert private is not None
    assert private.measured is not None
    share = f"{private.measured / private.budget:.0%}" if private.budget else "-"
    change = "-" if private.difference is None else render_change(private.difference, "bytes")
    size = {
        name: render(values[name], "bytes") if name in values else "-"
        for name in ("copied", "fresh")
    }
    collections = values.get("gc_collections")
    pauses = (
        f"{collections} to {render(values['gc_pause'], 'ns')}"
        if collections
        else "-"
        if collections is None
        else "none"
    )
    return [
        short(record.test),
        render(private.measured, "bytes"),
        change,
        share,
        size["copied"],
        size["fresh"],
        pauses,
        record.verdict.value,
    ]


def _draw(columns: dict[str, list[str]]) -> list[str]:
    sides = ["left" if name in ("test", "verdict") else "right" for name in columns]
    return tabulate(columns, headers="keys", colalign=sides, disable_numparse=True).splitlines()


def proofs(records: list[Record]) -> list[str]:
    """The smallest regression each test's gate caught, by kind, where the gate was proved."""
    found = [record for record in records if record.proofs]
    if not found:
        return []
    rows = [
        [
            short(record.test),
            *(
                render(p.planted, "bytes") if p.caught else f"not at {render(p.planted, 'bytes')}"
                for p in record.proofs
            ),
        ]
        for record in found
    ]
    headers = ["smallest regression caught", *(proof.kind for proof in found[0].proofs)]
    return [
        *tabulate(
            rows, headers=headers, colalign=("left", "right", "right"), disable_numparse=True
        ).splitlines(),
        "",
    ]


def explanations(records: list[Record]) -> list[str]:
    """Where the bytes of each test went that was explained and passed; a failed one's are in its failure."""
    lines = []
    for record in records:
        if record.explanation is not None and not record.failed:
            lines += [f"-- {short(record.test)}", *why(record, record.explanation).splitlines(), ""]
    return lines


def short(test: str) -> str:
    """A node id without its folders and file suffix."""
    file, _, name = test.partition("::")
    return f"{file.rpartition('/')[2].removesuffix('.py')}::{name}"


def facts(records: list[Record]) -> list[str]:
    """The zygotes' sizes, the environment, the GC scale, and notes on what differs from the baseline."""
    lines = [
        f"zygote {app}: {render(size, 'bytes')} resident"
        for app, size in sorted({(record.app, record.size) for record in records})
    ]
    for profile, environment in {record.profile: record.environment for record in records}.items():
        speed = render(int(environment["gc_speed"]), "ns")
        lines.append(f"profile {profile}")
        lines.append(f"ASLR {environment['aslr']}, THP {environment['thp']}, gc speed {speed}")
    said: dict[str, list[str]] = {}
    for record in records:
        for note in record.notes:
            said.setdefault(note, []).append(record.test)
    for note, tests in said.items():
        where = tests[0].rpartition("::")[2] if len(tests) == 1 else f"{len(tests)} tests"
        lines.append(f"note: {note} ({where})")
    return lines


def counts(state: Session) -> list[str]:
    """What has no baseline, and what has no test, loudly."""
    lines = []
    name = state.settings.baseline.name
    unwritten = [record for record in state.records if record.test not in state.written]
    verdicts = [record.verdict for record in unwritten if record.known is None]
    if Verdict.NEW in verdicts:
        lines.append(
            f"{verdicts.count(Verdict.NEW)} new: no entry in {name}, so nothing to compare with"
        )
    if Verdict.INCOMPATIBLE in verdicts:
        lines.append(
            f"{verdicts.count(Verdict.INCOMPATIBLE)} incompatible: {name} has only {', '.join(sorted(state.baseline.profiles))}"
        )
    for record in unwritten:
        lines += [
            f"new: {j.metric} of {record.test} is not in {name}"
            for j in record.judgments
            if j.verdict is Verdict.NEW
        ]
    for record in state.records:
        lines += [
            f"missing: {j.metric} of {record.test} could not be measured"
            for j in record.judgments
            if j.verdict is Verdict.MISSING
        ]
    lacking = [
        metric
        for metric in _OF_THE_KERNEL
        if state.records and not any(metric in r.measurement.values for r in state.records)
    ]
    lines += (
        [f"missing: {', '.join(lacking)}: this machine does not give them, cowmem doctor says why"]
        if lacking
        else []
    )
    lines += [
        f"stale: {test} is in the baseline, and there is no such test" for _, test in state.stale
    ]
    return lines


def how_to_accept(state: Session) -> str:
    """One line on locking in or accepting what differs, empty when nothing does."""
    differing = [
        record
        for record in state.records
        if record.verdict not in (Verdict.OK, Verdict.OVER, Verdict.NOISY)
    ]
    if state.settings.update is not None or not (differing or state.stale):
        return ""
    return f"to accept: pytest --cowmem --cowmem-update, then commit {state.settings.baseline.name}"
