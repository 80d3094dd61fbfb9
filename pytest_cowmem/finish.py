"""The end of a measuring run: pass on, or write the baseline and set the exit code. Runs in the pytest process."""

import os

import pytest

from pytest_cowmem.errors import UsageError
from pytest_cowmem.judge import baseline
from pytest_cowmem.judge.update import Change, Measured, stale, update
from pytest_cowmem.measure.machine import profile_key
from pytest_cowmem.metrics import METRICS
from pytest_cowmem.session import Session
from pytest_cowmem.units import render


def finish(state: Session, session: pytest.Session) -> None:
    """In an xdist worker hand over what was collected; elsewhere do what the whole run calls for."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["cowmem"] = {"collected": state.collected, "whole": state.whole, "usage_error": state.usage_error}
        return
    if state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    state.stale = find_stale(state)
    if session.config.option.collectonly:
        return
    if state.settings.update is not None:
        accept(state, session)
    if state.settings.strict and not state.records and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def find_stale(state: Session) -> list[tuple[str, str]]:
    """The baseline entries whose test is gone, in the profiles this run measured in, or would have."""
    profiles = {record.profile for record in state.records} or {profile_key(os.environ)}
    missing = {
        test.partition("::")[0]
        for profile in profiles & set(state.baseline.profiles)
        for test in state.baseline.profiles[profile].tests
        if not (state.settings.rootdir / test.partition("::")[0]).exists()
    }
    tests = {test for tests in state.collected.values() for test in tests}
    return stale(state.baseline, profiles, tests, state.whole, missing)


def accept(state: Session, session: pytest.Session) -> None:
    """Write what the run measured into the baseline, as far as the mode allows, and keep what changed for the summary."""
    assert state.settings.update is not None
    measured = [
        Measured(
            record.test,
            record.profile,
            record.environment,
            record.entry,
            {judgment.metric: judgment.verdict for judgment in record.judgments},
        )
        for record in state.records
    ]
    drop = state.stale if state.settings.update in ("changed", "all") else []
    new, changes = update(state.baseline, state.settings.update, measured, drop)
    state.changes = [line for change in changes for line in told(change)]
    if changes:
        try:
            baseline.write(state.settings.baseline, new)
        except UsageError as error:
            state.changes = [str(error)]
            state.write_failed = True
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    state.stale = [] if drop else state.stale


def told(change: Change) -> list[str]:
    """One change to the baseline for people, old to new."""
    if change.new is None:
        return [f"removed  {change.test}"]
    if change.old is None:
        private = change.new.metrics.get("private")
        return [f"added    {change.test}" + (f"  private {render(private, 'bytes')}" if private is not None else "")]
    differing = [name for name in METRICS if change.old.metrics.get(name) != change.new.metrics.get(name)]
    parts = [
        f"{name} {_value(change.old.metrics.get(name), name)} -> {_value(change.new.metrics.get(name), name)}"
        for name in differing
        if METRICS[name].tolerance
    ]
    return [f"changed  {change.test}  {', '.join(parts) or 'ungated metrics only'}"]


def _value(amount: int | None, metric: str) -> str:
    return "-" if amount is None else render(amount, METRICS[metric].unit)
