"""The end of a measuring run: write the baseline, make the document. Runs in the pytest process."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from pytest_cowmem.host.machine import profile_key, unverified
from pytest_cowmem.judge.update import stale, update
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.run import baseline_file
from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.session import Session
from pytest_cowmem.run.settings import Settings

Gone = list[tuple[str, str]]  # (profile, test)


def document(
    session: Session,
    collected: Collected,
    records: Sequence[Record],
    unfit: Collection[str],
    write: bool,
) -> Document:
    """The run as one value, after the baseline was written where `write` and the settings say so.

    Tests in `unfit` failed after they were measured: the baseline does not learn them.
    """
    settings = session.settings
    defaults = {name for name, metric in METRICS.items() if metric.tolerance}
    gone = [] if collected.usage_error else find_stale(session, collected, records)
    unwritten = Document(
        records=tuple(records),
        baseline=settings.baseline.name,
        profiles=tuple(sorted(session.baseline.profiles)),
        gated=tuple(sorted(defaults | set(settings.tolerances))),
        tests=len(collected.tests),
        stale=tuple(test for _, test in gone),
        update=settings.update,
        usage_error=collected.usage_error,
        unverified=unverified(),
        explain=settings.explain,
    )
    if write and settings.update is not None and not collected.usage_error:
        return accept(session, unwritten, unfit, gone)
    return unwritten


def find_stale(session: Session, collected: Collected, records: Sequence[Record]) -> Gone:
    """The entries whose test is gone, in the profiles this run measured in, or would have."""
    baseline = session.baseline
    profiles = {record.profile for record in records} or {profile_key(os.environ)}
    missing = set()
    for profile in profiles & set(baseline.profiles):
        for test in baseline.profiles[profile].tests:
            file = test.partition("::")[0]
            if not (session.settings.rootdir / file).exists():
                missing.add(file)
    return stale(baseline, profiles, collected.tests, collected.whole, missing)


def accept(session: Session, run: Document, unfit: Collection[str], gone: Gone) -> Document:
    """Write what the run measured into the baseline, as far as the mode allows."""
    assert run.update is not None
    records = [record for record in run.records if record.test not in unfit]
    dropped = gone if run.update in ("changed", "all") else []
    new, changes = update(session.baseline, run.update, records, dropped)
    if changes:
        try:
            baseline_file.write(session.settings.baseline, new)
        except UsageError as error:
            return replace(run, refused=str(error))
    left = () if dropped else run.stale
    return replace(run, changes=tuple(changes), stale=left)


def exit_status(run: Document, settings: Settings, status: int) -> int:
    """The run's exit status, from the one that pytest has for it."""
    if run.usage_error:
        return pytest.ExitCode.USAGE_ERROR
    nothing_failed = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if run.refused or (settings.strict and not run.records and nothing_failed):
        return pytest.ExitCode.TESTS_FAILED
    return status
