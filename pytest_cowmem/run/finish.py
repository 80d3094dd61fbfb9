"""The end of a measuring run: write the baseline, make the document. Runs in the pytest process."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_cowmem.files.baseline import rewrite
from pytest_cowmem.files.report import write
from pytest_cowmem.host.git import head, last_change
from pytest_cowmem.host.machine import profile_key, unverified
from pytest_cowmem.judge.update import REMOVING, merged, update
from pytest_cowmem.judge.what_if import advised
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.what_if import Advised
from pytest_cowmem.report.masters import by_app
from pytest_cowmem.run import github, gone
from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.gone import Gone
from pytest_cowmem.run.outcomes import Outcomes
from pytest_cowmem.run.reference import Reference
from pytest_cowmem.run.session import Session
from pytest_cowmem.run.settings import Settings, in_ci

# A run that ends otherwise may have stopped before it had seen all tests.
_COMPLETE = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


def document(
    session: Session, collected: Collected, outcomes: Outcomes, status: int, write: bool
) -> Document:
    """The run as one value, after the baseline was written where `write` and the settings say so.

    `status` is the exit status that pytest has for the run.
    """
    settings = session.settings
    defaults = {name for name, metric in METRICS.items() if metric.tolerance}
    records = tuple(collected.in_order(outcomes.records, lambda record: record.test))
    unmeasured = collected.in_order(outcomes.unmeasured.items(), lambda told: told[0])
    complete = status in _COMPLETE and is_complete(collected, outcomes)
    stale = find_stale(session, collected, outcomes) if complete else []
    reported = settings.reports or github.active(os.environ)
    unwritten = Document(
        records=records,
        failures=tuple(_failures(collected, outcomes)),
        unfit=tuple(sorted(outcomes.unfit & {record.test for record in records})),
        head=head(settings.rootdir) if reported else None,
        base=settings.base or (last_change(settings.baseline) if reported else None),
        baseline=settings.baseline.name,
        profiles=tuple(sorted(session.baseline.profiles)),
        reference=_reference(session, records) if settings.reports else {},
        gated=tuple(sorted(defaults | set(settings.tolerances))),
        tests=len(collected.measured) + len(collected.plain),
        broken=tuple(dict.fromkeys(collected.broken)),
        complete=complete,
        stale=tuple(test for _, test in stale),
        unmeasured=tuple(f"{test} {reason}" for test, reason in unmeasured),
        invocation=settings.invocation,
        update=settings.update,
        strict=settings.strict,
        usage_error=collected.usage_error,
        unverified=unverified(),
        explain=settings.explain,
        ci=in_ci(os.environ),
        host_memory=settings.host,
        advised=tuple(_advised(records)),
    )
    if write and settings.update is not None and not collected.usage_error:
        return accept(session, unwritten, outcomes.unfit, stale)
    return unwritten


def is_complete(collected: Collected, outcomes: Outcomes) -> bool:
    """Whether all tests that were to run did, to their end.

    Some did not where a limit of failures stopped the run, or a test took its process with it.
    """
    if collected.usage_error or outcomes.crashed or collected.selected is None:
        return False
    return outcomes.ended.issuperset(collected.selected)


def _reference(session: Session, records: Sequence[Record]) -> dict[str, Mapping[str, int]]:
    """The reference's figures for whoever accepts the report, where their baseline lacks them."""
    key = session.reference.profile
    profile = session.baseline.profiles.get(key, Profile())
    fit = any(record.profile == key and not record.plain for record in records)
    return {key: session.reference.figures} if fit and not profile.reference else {}


def _failures(collected: Collected, outcomes: Outcomes) -> Iterator[Failure]:
    """The tests that measure, and failed before they were measured."""
    failures, measured = outcomes.failures, {record.test for record in outcomes.records}
    for test in (*collected.measured, *collected.plain):
        if test in failures and test not in measured:
            yield failures[test]


def _advised(records: Sequence[Record]) -> Iterator[Advised]:
    """Which policy each app is to follow, by its tests that were replayed under some."""
    tried = [record for record in records if record.what_if]
    for name, of_app in by_app(tried).items():
        first = of_app[0]
        gc, _, _ = first.entry.gc.partition(": ")
        found = advised(name, first.target, gc, [record.what_if for record in of_app])
        yield replace(found, interface=first.interface)


def find_stale(session: Session, collected: Collected, outcomes: Outcomes) -> Gone:
    """The entries whose test is gone, in the profiles this run measured in, or would have."""
    records = [record for record in outcomes.records if not record.plain]
    tests, profiles = ({it.test for it in records}, {it.profile for it in records})
    profiles = profiles or {profile_key(os.environ)}
    stale = gone.find(session, collected, profiles, outcomes.idle)
    return [(profile, test) for profile, test in stale if test not in tests]


def accept(session: Session, run: Document, unfit: Collection[str], stale: Gone) -> Document:
    """Write what the run measured into the baseline, as far as the mode allows.

    Another run may have written since this one began: its entries stay.

    Tests in `unfit` failed after they were measured: the baseline does not learn them.
    """
    assert run.update is not None
    records = [it for it in run.records if not (it.plain or it.test in unfit)]
    dropped = stale if run.update in REMOVING else []
    new, changes = update(session.baseline, run.update, records, dropped)
    if changes:
        new = with_reference(new, session.reference, renew=run.update == "all")
        try:
            path = session.settings.baseline
            rewrite(path, lambda found: merged(found, new, changes))
        except UsageError as error:
            return replace(run, refused=str(error))
    left = () if dropped else run.stale
    return replace(run, changes=tuple(changes), stale=left)


def with_reference(baseline: Baseline, reference: Reference, renew: bool) -> Baseline:
    """The baseline with the reference's figures where its profile has none.

    `renew` replaces those that have moved.
    """
    profile = baseline.profiles.get(reference.profile)
    if profile is None:
        return baseline
    if not profile.reference or (renew and list(reference.moved(profile.reference))):
        profile = replace(profile, reference=reference.figures)
    return baseline.with_profile(reference.profile, profile)


def report(run: Document, settings: Settings) -> Document:
    """Write the run into the files that were asked for; the run with what became of them."""
    written, unwritten = [], []
    for path in settings.reports:
        try:
            write(run, path)
            written.append(os.path.relpath(path))
        except UsageError as error:
            unwritten.append(str(error))
    return replace(run, reported=tuple(written), unreported=tuple(unwritten))


def exit_status(run: Document, settings: Settings, status: int) -> int:
    """The run's exit status, from the one that pytest has for it."""
    if run.usage_error:
        return pytest.ExitCode.USAGE_ERROR
    nothing_failed = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    wrong = run.unreported or (settings.strict and not run.records)
    if run.refused or (wrong and nothing_failed):
        return pytest.ExitCode.TESTS_FAILED
    return status
