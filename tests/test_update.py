"""What --cowmem-update writes in each mode, and what it leaves alone."""

import pytest

from pytest_cowmem.judge.baseline import Baseline, Entry, Profile
from pytest_cowmem.judge.update import Measured, stale, update
from pytest_cowmem.judge.verdict import Verdict


def entry(private, growth=0):
    return Entry({"private": private, "growth": growth}, {}, 3, "source", "default", "layout")


def found(test, private, verdict, growth=0, profile="here"):
    return Measured(test, profile, {"kernel": "new"}, entry(private, growth), {"private": verdict, "growth": Verdict.OK})


OTHER = Profile({"kernel": "other"}, {"t::a": entry(7)})
OLD = Baseline({"here": Profile({"kernel": "old"}, {"t::a": entry(100, 5), "t::b": entry(100, 5), "t::gone": entry(1)}), "there": OTHER})
RUN = [
    found("t::a", 200, Verdict.REGRESSED),
    found("t::b", 50, Verdict.IMPROVED, growth=9),
    found("t::c", 30, Verdict.OK),
]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("changed", {"t::a": entry(200), "t::b": entry(50, 9), "t::c": entry(30)}),
        ("new", {"t::a": entry(100, 5), "t::b": entry(100, 5), "t::c": entry(30)}),
        ("tighten", {"t::a": entry(100, 5), "t::b": entry(50, 5)}),
        ("all", {"t::a": entry(200), "t::b": entry(50, 9), "t::c": entry(30)}),
    ],
)
def test_modes(mode, expected):
    new, _ = update(OLD, mode, RUN, [])
    assert {test: e for test, e in new.profiles["here"].tests.items() if test != "t::gone"} == expected
    assert new.profiles["there"] is OTHER


def test_changed_leaves_what_is_ok_as_it_was_and_all_does_not():
    run = [found("t::a", 101, Verdict.OK)]
    assert update(OLD, "changed", run, []) == (OLD, [])
    assert update(OLD, "all", run, [])[0].profiles["here"].tests["t::a"] == entry(101)


@pytest.mark.parametrize("mode", ["changed", "new", "tighten", "all"])
def test_noise_is_never_accepted(mode):
    run = [found("t::a", 500, Verdict.NOISY), found("t::new", 500, Verdict.NOISY)]
    assert update(OLD, mode, run, []) == (OLD, [])


def test_stale_entries_are_dropped_and_changes_told_old_to_new():
    new, changes = update(OLD, "changed", RUN[:1], [("here", "t::gone")])
    assert "t::gone" not in new.profiles["here"].tests
    assert [(c.test, c.old and c.old.metrics["private"], c.new and c.new.metrics["private"]) for c in changes] == [
        ("t::a", 100, 200),
        ("t::gone", 1, None),
    ]


def test_a_new_profile_is_added_with_its_environment():
    new, _ = update(OLD, "changed", [found("t::a", 1, Verdict.OK, profile="elsewhere")], [])
    assert new.profiles["elsewhere"] == Profile({"kernel": "new"}, {"t::a": entry(1)})


def test_stale_needs_the_whole_file_or_its_absence():
    tests = {"a.py::x": entry(1), "a.py::y": entry(1), "b.py::x": entry(1), "c.py::x": entry(1)}
    baseline = Baseline({"here": Profile({}, tests), "there": Profile({}, tests)})
    assert stale(baseline, ["here"], ["a.py::x"], ["a.py"], ["c.py"]) == [("here", "a.py::y"), ("here", "c.py::x")]
