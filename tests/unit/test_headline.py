"""The verdict of a run in one line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import MIB, VALUES, record

from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.record import Proof
from pytest_cowmem.report.headline import headline, name_of, worst_first

GREEN = tuple(record(f"tests/test_a.py::test_{number}", accepted=VALUES) for number in range(22))
REGRESSED = record(accepted=VALUES | {"private": 3 * MIB})
OVER = record("tests/test_a.py::test_over", limits={"private": 4 * MIB})
FAILURE = Failure("tests/test_c.py::test_c", "AssertionError", "tests/test_c.py:3")


def improved(test):
    return record(test, accepted=VALUES | {"private": 9 * MIB})


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            {"records": (*GREEN, REGRESSED)},
            "failed: 1 of 23 regressed, +2.00 MiB in test_feed",
        ),
        (
            {"records": (*GREEN, OVER, REGRESSED)},
            "failed: 1 of 24 over budget, 1 regressed, +2.00 MiB in test_feed",
        ),
        ({"records": (*GREEN, OVER)}, "failed: 1 of 23 over budget, by 1.00 MiB in test_over"),
        (
            {"records": (record(values=VALUES | {"gc_pause": 10**7}, accepted=VALUES),)},
            "failed: 1 of 1 regressed, gc_pause +8.50 ms in test_feed",
        ),
        (
            {"records": (record(limits={"workers": 30}, values=VALUES | {"workers": 20}),)},
            "failed: 1 of 1 over budget, workers by 10 in test_feed",
        ),
        ({"records": (replace(record(), failed=True),)}, "failed: 1 of 1 new: test_feed"),
        (
            {"records": (replace(record(), failed=True),) * 2},
            "failed: 2 of 2 new",
        ),
        (
            {"records": GREEN, "failures": (FAILURE,)},
            "failed: 1 failed before it was measured",
        ),
        (
            {"records": (REGRESSED,), "failures": (FAILURE,) * 2, "unfit": ("a", "b")},
            "failed: 1 of 3 regressed, 2 failed before they were measured, "
            "2 failed after they were measured, +2.00 MiB in test_feed",
        ),
        ({"records": GREEN, "refused": "read-only"}, "failed: the baseline could not be written"),
        ({"broken": ("tests/test_a.py",)}, "failed: 1 file was not collected whole"),
        ({"records": GREEN, "complete": False}, "failed: the run ended early with 22 measured"),
        (
            {"strict": True},
            "failed: nothing was measured, there is no test that uses cow_worker or has a budget",
        ),
        ({"usage_error": "a: b\n    wrong: c"}, "failed: usage error: a: b wrong: c"),
        (
            {},
            "passed: nothing was measured, there is no test that uses cow_worker or has a budget",
        ),
        ({"records": GREEN}, "passed: 22 tests, none regressed"),
        ({"records": GREEN[:1]}, "passed: 1 test, none regressed"),
        (
            {"records": (*GREEN, improved("a"), record("b"))},
            "passed: 24 tests, none regressed, 1 improved, 1 new",
        ),
        (
            {"records": (replace(REGRESSED, failed=False),), "update": "changed"},
            "passed: 1 test, 1 regressed and accepted",
        ),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_the_verdict_comes_first_and_then_by_how_much(run, said):
    assert headline(Document(**run)) == f"Memory gate {said}"


def test_a_gate_that_caught_nothing_is_not_proved():
    proof = Proof("read", MIB, 2 * MIB, 2 * MIB, caught=False)
    red = replace(GREEN[0], failed=True, proofs=(proof,))
    assert headline(Document(records=(red,))) == "Memory gate failed: 1 of 1 not proved: test_0"


def test_the_worst_grew_most_and_what_did_not_grow_comes_last():
    little = record("a::little", accepted=VALUES | {"private": 4 * MIB})
    slow = record("a::slow", values=VALUES | {"gc_pause": 10**7}, accepted=VALUES)
    names = [it.test for it in worst_first([slow, little, GREEN[0], REGRESSED])]
    assert names == [REGRESSED.test, "a::little", "a::slow"]


def test_a_name_keeps_its_parameters():
    assert name_of("tests/test_a.py::TestIt::test_b[c::d]") == "test_b[c::d]"


@given(st.text(), st.text())
def test_it_is_one_bounded_line_whatever_the_ids(test, error):
    red = replace(REGRESSED, test=test)
    for run in (Document(records=(red,)), Document(usage_error=error or "wrong")):
        line = headline(run)
        assert len(line) <= 300
        assert len(line.splitlines()) == 1
