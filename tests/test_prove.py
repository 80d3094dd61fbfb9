"""--cowmem-prove: planted regressions are caught close to the tolerance, and a gate that misses them fails."""

import re

import pytest

from pytest_cowmem.app import App
from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.prove import KINDS, prove

TEST = "def test_quiet(cow_worker):\n    assert cow_worker.get('/').status_code == 200\n"


def judge_at(limit):
    """A gate that tolerates 64 KiB and goes red above `limit` bytes."""
    return lambda private: Judgment("private", private, 0, None, 0, 65536, Verdict.REGRESSED if private > limit else Verdict.OK)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_regression_is_caught_within_two_steps_of_the_tolerance(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 0, judge_at(65536))
    assert proof.caught
    assert not proof.failed
    assert 65536 < proof.planted <= 65536 + 2 * 65536 // 16 + 8 * 4096


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_that_stays_green_at_twice_its_tolerance_has_failed(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 0, judge_at(10**9))
    assert not proof.caught
    assert proof.failed


def test_the_summary_names_the_smallest_regression_caught(project):
    result = project(TEST, "--cowmem-prove")
    assert result.ret == 0
    (line,) = (line for line in result.outlines if re.search(r"test_quiet +\d+.* KiB +\d+.* KiB$", line))
    for caught in re.findall(r"([\d.]+) KiB", line):
        assert 64 < float(caught) <= 64 + 2 * 4 + 32
