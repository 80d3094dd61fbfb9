"""What leaves a round early is not measured; what is run again is one test."""

import json

import pytest

TEST = """
import unittest
import pytest

ROUNDS = []

@pytest.mark.parametrize("way", ["skip", "xfail", "SkipTest"])
def test_it(cow_worker, way):
    cow_worker.get("/")
    ROUNDS.append(way)
    if len(ROUNDS) % 2 == {}:
        raise getattr(unittest if way == "SkipTest" else pytest, way)("enough")
"""
STAYS = TEST.format(2)


def told(result):
    """What a run printed, in one line, since sentences are wrapped to the terminal."""
    return " ".join(result.stdout.str().split())


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_a_body_that_skips_itself_in_a_later_round_is_not_measured(project, pytester, workers):
    two = ("--cowmem-rounds=2", *workers)
    path = pytester.path / "cowmem-baseline.json"
    project(STAYS, *two, "--cowmem-update")
    before = path.read_text()
    leaves = TEST.format("1 - 1")
    left = project(leaves, *two, "--cowmem-update=all")
    assert left.ret == 0
    left.assert_outcomes(skipped=2, xfailed=1)
    assert path.read_text() == before
    strict = project(leaves, *two, "--cowmem-strict")
    strict.assert_outcomes(failed=3)
    assert strict.ret == 1
    skipped, failed = "skipped itself in round 2", "expected to fail in round 2"
    for name, how in (("skip", skipped), ("xfail", failed), ("SkipTest", skipped)):
        assert f"::test_it[{name}] {how}" in told(left)
        assert f"the test {how} (enough), so it was not measured" in told(strict)


def test_a_test_that_fails_as_expected_is_told_to_be_unmeasured(project):
    marked = STAYS.replace("def test_it", "@pytest.mark.xfail\ndef test_it") + "    assert 0\n"
    result = project(marked, "-k", "SkipTest")
    result.assert_outcomes(xfailed=1, deselected=2)
    assert "::test_it[SkipTest] failed, as its xfail mark expects" in told(result)


RED_ONCE = """
import itertools
import pytest

ATTEMPTS = itertools.count(1)

@pytest.fixture
def attempt():
    return next(ATTEMPTS)

@pytest.mark.mem_budget(private="400 KiB")
def test_it(cow_worker, attempt):
    cow_worker.get("/dirty?200" if attempt == 1 else "/dirty?10")
    {}
"""
# As pytest-rerunfailures does it. Installed, it would open a port in every run under xdist.
RUN_AGAIN = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for last in (False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        last = last or not any(report.failed for report in reports)
        for report in reports:
            report.outcome = "rerun" if report.failed and not last else report.outcome
            item.ihook.pytest_runtest_logreport(report=report)
        if last:
            return True
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_a_test_that_is_run_again_has_one_row_and_a_word(project, pytester, workers):
    pytester.makeconftest(RUN_AGAIN)
    result = project(RED_ONCE.format(""), *workers, "--cowmem-update", app="bare:busy")
    result.assert_outcomes(passed=1)
    assert len([line for line in result.outlines if line.endswith("  new")]) == 1
    assert "note: an earlier attempt of this test was red (test_it)" in told(result)
    data = json.loads((pytester.path / "cowmem-baseline.json").read_text())
    (profile,) = data["profiles"].values()
    (entry,) = profile["tests"].values()
    private = entry["private"]  # the mean of two layouts, which may be the same
    assert (private["mean"] if isinstance(private, dict) else private) < 400 * 1024


def test_an_attempt_that_measured_does_not_speak_for_a_later_one_that_failed(project, pytester):
    text = RED_ONCE.format("assert attempt == 1")
    pytester.makeconftest(RUN_AGAIN)
    result = project(text, "--cowmem-update", app="bare:busy")
    result.assert_outcomes(failed=1)
    assert "nothing was measured" in told(result)
    assert not (pytester.path / "cowmem-baseline.json").exists()
