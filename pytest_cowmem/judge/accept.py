"""What a report makes of the baseline, wherever it was measured. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from posixpath import normpath

from pytest_cowmem.judge.known import Known
from pytest_cowmem.judge.update import REMOVING, update
from pytest_cowmem.model.baseline import Baseline, Change, Profile
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Verdict


def accept(
    run: Document, records: Sequence[Record], baseline: Baseline, mode: str, *, named: bool
) -> tuple[Baseline, list[Change]]:
    """The baseline after a run's `records`, as `--cowmem-update` with this mode makes it.

    They are judged by this baseline, which may be another one than the run's. Entries without a
    test go with a run that came to its own end, and not where tests were `named`.
    """
    judged = [judged_by(baseline, record) for record in records]
    gone = [] if named or not run.complete or mode not in REMOVING else [*_stale(run, baseline)]
    new, changes = update(baseline, mode, judged, gone)
    return _with_reference(new, run), changes


def picked(run: Document, given: Sequence[str]) -> list[Record]:
    """The records that a baseline may have, of these tests, files or folders; without any, all.

    UsageError for a name that has none, with the reason.
    """
    names = [*map(_as_in_ids, given)]
    fit = [record for record in run.records if not (record.plain or record.test in run.unfit)]
    for name in names:
        if not any(_is_in(record.test, name) for record in fit):
            raise UsageError(_why_not(run, name))
    if not fit:
        raise UsageError("the run has no measured test that a baseline may have: mend the run")
    if not names:
        return fit
    return [record for record in fit if any(_is_in(record.test, name) for name in names)]


def judged_by(baseline: Baseline, record: Record) -> Record:
    """A record as it would be, had its run had this baseline."""
    profile = baseline.profiles.get(record.profile, Profile())
    old = profile.tests.get(record.test) or record.accepted  # a renamed test has another's entry
    gate = Known.of_record(record).gate(record.profile, old, profile.environment)
    ruling = gate.judge(record.measurement)
    return replace(record, judgments=ruling.judgments, verdict=ruling.verdict, accepted=old)


def too_noisy(baseline: Baseline, records: Sequence[Record]) -> list[str]:
    """The tests that only the mode `all` accepts."""
    judged = [judged_by(baseline, record) for record in records]
    return [
        record.test
        for record in judged
        if any(judgment.verdict is Verdict.NOISY for judgment in record.judgments)
    ]


def _with_reference(baseline: Baseline, run: Document) -> Baseline:
    """The baseline with the reference's figures in profiles that have none."""
    for key, figures in run.reference.items():
        profile = baseline.profiles.get(key)
        if profile is not None and not profile.reference:
            baseline = baseline.with_profile(key, replace(profile, reference=figures))
    return baseline


def _stale(run: Document, baseline: Baseline) -> Iterator[tuple[str, str]]:
    for key in run.environments:
        tests = baseline.profiles.get(key, Profile()).tests
        yield from ((key, test) for test in run.stale if test in tests)


def _as_in_ids(name: str) -> str:
    """A name as ids have it, without what a shell's completion or a person adds to a path."""
    path, colons, test = name.partition("::")
    return f"{path and normpath(path)}{colons}{test}"


def _is_in(test: str, name: str) -> bool:
    """Whether a name is that of a test, with or without its parameters, or of what holds it."""
    return name in (".", test) or test.startswith((f"{name}[", f"{name}::", f"{name}/"))


def _why_not(run: Document, name: str) -> str:
    for failure in run.failures:
        if _is_in(failure.test, name):
            return f"{failure.test} failed before it was measured: mend the test ({failure.reason})"
    for record in run.records:
        if _is_in(record.test, name) and record.plain:
            return (
                f"{record.test} is a plain test, which no baseline has: its limit is in its marker"
            )
        if _is_in(record.test, name):
            return f"{record.test} failed after it was measured: mend the test"
    close = get_close_matches(name, [record.test for record in run.records], 1, 0)
    known = ", ".join(close) or "none at all"
    return f"the run has no test {name or repr(name)}: it has {known}, for instance"
