"""The end of a measuring run: pass on, or write the baseline and set the exit code. Runs in the pytest process."""

import os
from collections.abc import Collection

import pytest

from pytest_cowmem.host.machine import profile_key
from pytest_cowmem.judge import baseline
from pytest_cowmem.judge.update import Change, Measured, stale, update
from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.run.session import Session


def finish(state: Session, session: pytest.Session) -> None:
    """In an xdist worker hand over what was collected; elsewhere do what the whole run calls for."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["cowmem"] = {
            "collected": state.collected,
            "whole": state.whole,
            "usage_error": state.usage_error,
        }
        return
    if state.usage_error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    state.stale = find_stale(state)
    if session.config.option.collectonly:
        return
    if state.settings.update is not None:
        accept(state, session)
    if (
        state.settings.strict
        and not state.records
        and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    ):
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
            {judgment.metric: against_the_baseline(judgment) for judgment in record.judgments},
        )
        for record in state.records
        if record.test not in state.unfit
    ]
    drop = state.stale if state.settings.update in ("changed", "all") else []
    new, changes = update(state.baseline, state.settings.update, measured, drop)
    state.written = {change.test for change in changes}
    state.changes = [told(change, gated_of(state, change.test)) for change in changes]
    if changes:
        try:
            baseline.write(state.settings.baseline, new)
        except UsageError as error:
            state.changes = [str(error)]
            state.write_failed = True
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    state.stale = [] if drop else state.stale


def against_the_baseline(judgment: Judgment) -> Verdict:
    """A judgment's verdict as if there were no budget: what is over budget may have regressed as well."""
    if (
        judgment.verdict is Verdict.OVER
        and judgment.difference is not None
        and judgment.difference > judgment.allowed
    ):
        return Verdict.REGRESSED
    return judgment.verdict


def gated_of(state: Session, test: str) -> set[str]:
    """The metrics held to the baseline: by default, by a setting, or by a test's own marker, as far as they then differed."""
    gated = {name for name, metric in METRICS.items() if metric.tolerance} | set(
        state.settings.tolerances
    )
    red = {
        j.metric
        for record in state.records
        if record.test == test
        for j in record.judgments
        if j.verdict is not Verdict.OK
    }
    return gated | red


def told(change: Change, gated: Collection[str]) -> str:
    """One change to the baseline for people, old to new, of the `gated` metrics."""
    if change.new is None:
        return f"removed  {change.test}"
    if change.old is None:
        private = change.new.metrics.get("private")
        return f"added    {change.test}" + (
            f"  private {render(private, 'bytes')}" if private is not None else ""
        )
    old, new = change.old.metrics, change.new.metrics
    parts = [
        _moved(name, old.get(name), new.get(name))
        for name in METRICS
        if name in gated and old.get(name) != new.get(name)
    ]
    parts += ["the test's source"] if not parts and change.old.source != change.new.source else []
    return f"changed  {change.test}  {', '.join(parts) or 'ungated metrics only'}"


def _moved(metric: str, old: int | None, new: int | None) -> str:
    """One metric, old to new; by how much where both look alike."""
    unit = METRICS[metric].unit
    before, after = ("-" if amount is None else render(amount, unit) for amount in (old, new))
    if before == after and old is not None and new is not None:
        return f"{metric} {before} {render_change(new - old, unit)}"
    return f"{metric} {before} -> {after}"
