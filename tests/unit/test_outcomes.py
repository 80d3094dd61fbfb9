"""What became of tests, by reports made up as pytest-xdist's controller gets them."""

from types import SimpleNamespace

import pytest
from records import record

from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.finish import is_complete
from pytest_cowmem.run.outcomes import Outcomes

TEST = "tests/test_memory.py::test_feed"
PASSED = record()
RED = record(limits={"private": 1})


def report(when, measured=None, *, worker="", failed=False, **changes):
    """One phase's report of a test, as it carries what is known of it."""
    carried = {} if measured is None else {"cowmem": measured.to_dict()}
    fields = {"cowmem_test": TEST, "cowmem_idle": False, "cowmem_unmeasured": "", **carried}
    if worker:
        fields["worker_id"] = worker
    outcome = "failed" if failed else "passed"
    location = ("tests/test_memory.py", 6, "test_feed")
    told = {"when": when, "failed": failed, "outcome": outcome, "longrepr": "E", **changes}
    return SimpleNamespace(nodeid=TEST, location=location, **fields, **told)


def taken(*reports):
    outcomes = Outcomes()
    for one in reports:
        outcomes.take(one)
    return outcomes


def collected(**fields):
    return Collected(files={"tests/test_memory.py": [TEST]}, selected=[TEST], **fields)


def test_the_last_attempt_counts_and_says_that_an_earlier_one_was_red():
    outcomes = taken(
        report("setup"),
        report("call", RED, failed=True),
        report("teardown"),
        report("setup"),
        report("call", PASSED),
        report("teardown"),
    )
    (found,) = outcomes.records
    assert not found.failed
    assert found.notes == (*PASSED.notes, "an earlier attempt of this test was red")


@pytest.mark.parametrize("red", ["gw0", "gw1"])
def test_of_a_test_that_two_workers_ran_at_once_the_failed_record_is_told(red):
    measured = {worker: RED if worker == red else PASSED for worker in ("gw0", "gw1")}
    outcomes = taken(
        report("setup", worker="gw0"),
        report("call", measured["gw0"], worker="gw0", failed=red == "gw0"),
        report("setup", worker="gw1"),
        report("call", measured["gw1"], worker="gw1", failed=red == "gw1"),
        report("teardown", worker="gw1"),
        report("teardown", worker="gw0"),
    )
    assert list(outcomes.records) == [RED]


def test_a_test_has_a_record_in_each_profile_that_it_was_measured_in():
    other = record(profile="linux-y")
    outcomes = taken(
        report("call", PASSED, worker="gw0"),
        report("call", other, worker="gw1"),
    )
    assert [it.profile for it in outcomes.records] == ["linux-x", "linux-y"]


def test_a_run_is_complete_when_each_selected_test_came_to_its_end():
    assert is_complete(collected(), taken(report("setup"), report("teardown")))
    assert not is_complete(collected(), taken(report("setup"), report("call", PASSED)))
    assert not is_complete(collected(), taken())


def test_a_run_whose_process_died_is_not_complete():
    crash = report("???", failed=True)
    outcomes = taken(report("setup"), report("teardown"), crash)
    assert not is_complete(collected(), outcomes)
    assert outcomes.failures[TEST].reason == "E"


def test_a_test_whose_process_died_is_where_it_began():
    outcomes = Outcomes()
    outcomes.begin(TEST, ("tests/test_memory.py", 6, "test_feed"))
    crash = report("???", failed=True)
    crash.location = ("tests/test_memory.py", None, "tests/test_memory.py")
    outcomes.take(crash)
    assert outcomes.failures[TEST].place == "tests/test_memory.py:7"


def test_a_run_of_which_no_process_told_what_it_collected_is_not_complete():
    assert not is_complete(Collected(), taken())


def test_a_run_with_an_invalid_marker_is_not_complete():
    assert not is_complete(collected(usage_error="no such metric"), taken(report("teardown")))


def test_what_was_learnt_is_told_in_the_order_of_collection():
    files = {"b.py": ["b.py::two", "b.py::one"], "a.py": ["a.py::three"]}
    tests = ["a.py::three", "elsewhere", "b.py::one", "b.py::two"]
    found = Collected(files=files).in_order(tests, str)
    assert found == ["b.py::two", "b.py::one", "a.py::three", "elsewhere"]


def test_what_two_processes_collected_is_all_that_either_did():
    one = Collected({"a.py": ["a.py::x"]}, ["a.py::x"], whole=["a.py"], selected=["a.py::x"])
    two = Collected({"a.py": ["a.py::y"], "b.py": []}, plain=["a.py::y"], whole=["b.py"])
    both = one.with_all_of(two)
    assert both.files == {"a.py": ["a.py::x", "a.py::y"], "b.py": []}
    assert (both.measured, both.plain, both.whole) == (["a.py::x"], ["a.py::y"], ["b.py"])
    assert both.selected == ["a.py::x"]
    assert Collected().with_all_of(one) == one
