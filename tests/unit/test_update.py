"""What --cowmem-update writes in each mode, and what it leaves alone."""

from dataclasses import replace

import pytest
from records import record

from pytest_cowmem.judge.update import merged, update
from pytest_cowmem.model.baseline import Baseline, Entry, Profile
from pytest_cowmem.model.verdict import Judgment, Verdict

KIB = 1024


def entry(private, growth=0):
    return Entry({"private": private, "growth": growth}, "source", "default", "layout")


def measured(test, new, verdicts):
    """The record of a test that would be written as `new`."""
    judgments = tuple(
        Judgment(metric, new.metrics.get(metric), 0, None, None, 0, verdict)
        for metric, verdict in verdicts.items()
    )
    environment = {"kernel": "new"}
    return record(test, profile="here", environment=environment, entry=new, judgments=judgments)


def found(test, private, verdict, growth=0):
    return measured(test, entry(private, growth), {"private": verdict, "growth": Verdict.OK})


OTHER = Profile({"kernel": "other"}, {"t::a": entry(7)})
OLD = Baseline(
    {
        "here": Profile(
            {"kernel": "old"}, {"t::a": entry(100, 5), "t::b": entry(100, 5), "t::gone": entry(1)}
        ),
        "there": OTHER,
    }
)
RUN = [
    found("t::a", 200, Verdict.REGRESSED),
    found("t::b", 50, Verdict.IMPROVED, growth=9),
    found("t::c", 30, Verdict.OK),
]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch):
    """Figures are small here, and a difference of one is one."""
    monkeypatch.setattr("pytest_cowmem.judge.update._SOME_PAGES", 0)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("changed", {"t::a": entry(200, 5), "t::b": entry(50, 5), "t::c": entry(30)}),
        ("new", {"t::a": entry(100, 5), "t::b": entry(100, 5), "t::c": entry(30)}),
        ("tighten", {"t::a": entry(100, 5), "t::b": entry(50, 5)}),
        ("all", {"t::a": entry(200), "t::b": entry(50, 9), "t::c": entry(30)}),
    ],
)
def test_modes(mode, expected):
    new, _ = update(OLD, mode, RUN, [])
    assert {
        test: e for test, e in new.profiles["here"].tests.items() if test != "t::gone"
    } == expected
    assert new.profiles["there"] is OTHER


PAGES = {"private": 100, "copied": 90, "gc_pause": 9}


def of_layouts(metrics, layout, first):
    return replace(entry(0), metrics=metrics, layout=layout, first=first, deviation=first)


def test_tighten_leaves_no_layout_of_its_own_where_figures_of_two_are_mixed():
    old = of_layouts(PAGES, "then", {"private": 99, "copied": 89})
    new = of_layouts({"private": 5, "copied": 95, "gc_pause": 8}, "now", {"private": 4})
    verdicts = {"private": Verdict.IMPROVED, "copied": Verdict.OK, "gc_pause": Verdict.OK}

    def tightened(new):
        run = [measured("t::a", new, verdicts)]
        before = Baseline({"here": Profile({}, {"t::a": old})})
        return update(before, "tighten", run, [])[0].profiles["here"].tests["t::a"]

    lowered = of_layouts({**PAGES, "private": 5}, "mixed", {"private": 4, "copied": 89})
    assert tightened(new) == lowered
    assert tightened(replace(new, layout="then")) == replace(lowered, layout="then")


@pytest.mark.parametrize("mode", ["changed", "all"])
def test_what_has_not_changed_is_no_line_of_a_diff(mode):
    old = replace(of_layouts(PAGES, "then", {"private": 99}), modules={"flask": 7})
    times = replace(old, metrics={**PAGES, "gc_pause": 8}, modules={"flask": 8}, layout="now")
    same = measured("t::a", times, dict.fromkeys(PAGES, Verdict.OK))
    before = Baseline({"here": Profile({}, {"t::a": old})})
    assert update(before, mode, [same], []) == (before, [])


def test_a_changed_figure_brings_the_layout_its_pages_and_modules_and_no_time():
    old = replace(of_layouts(PAGES, "then", {"private": 99}), modules={"flask": 7})
    new = of_layouts({"private": 900, "copied": 91, "gc_pause": 8}, "now", {"copied": 90})
    new = replace(new, modules={"flask": 800})
    run = [measured("t::a", new, {"private": Verdict.REGRESSED, "gc_pause": Verdict.OK})]
    before = Baseline({"here": Profile({}, {"t::a": old})})
    written = update(before, "changed", run, [])[0].profiles["here"].tests["t::a"]
    assert written == replace(new, metrics={**new.metrics, "gc_pause": 9})


@pytest.mark.parametrize(
    ("mode", "private"), [("changed", 100), ("new", 100), ("tighten", 100), ("all", 101)]
)
def test_a_metric_without_a_baseline_is_written_where_new_ones_are(mode, private):
    old = Baseline({"here": Profile({}, {"t::a": replace(entry(100), metrics={"private": 100})})})
    run = [measured("t::a", entry(101, 7), {"private": Verdict.OK, "growth": Verdict.NEW})]
    written = update(old, mode, run, [])[0].profiles["here"].tests["t::a"].metrics
    assert written == ({"private": 100} if mode == "tighten" else {"private": private, "growth": 7})


def test_changed_takes_note_of_a_changed_test_and_of_a_metric_that_is_gone():
    run = [found("t::a", 101, Verdict.OK)]
    run[0] = replace(run[0], entry=replace(run[0].entry, source="edited"))
    assert update(OLD, "changed", run, [])[0].profiles["here"].tests["t::a"] == replace(
        entry(100, 5), source="edited"
    )
    less = replace(entry(101), metrics={"private": 101})
    gone = measured("t::a", less, {"growth": Verdict.MISSING})
    assert update(OLD, "changed", [gone], [])[0].profiles["here"].tests["t::a"].metrics == {
        "private": 100
    }


def test_changed_leaves_what_is_ok_as_it_was_and_all_does_not():
    run = [found("t::a", 101, Verdict.OK)]
    assert update(OLD, "changed", run, []) == (OLD, [])
    assert update(OLD, "all", run, [])[0].profiles["here"].tests["t::a"] == entry(101)


NOISE = [found("t::a", 500, Verdict.NOISY), found("t::new", 500, Verdict.NOISY)]


@pytest.mark.parametrize("mode", ["changed", "new", "tighten"])
def test_noise_is_not_accepted(mode):
    assert update(OLD, mode, NOISE, []) == (OLD, [])


def test_noise_is_accepted_with_all():
    tests = update(OLD, "all", NOISE, [])[0].profiles["here"].tests
    assert tests["t::a"] == tests["t::new"] == entry(500)


def test_stale_entries_are_dropped_and_changes_told_old_to_new():
    new, changes = update(OLD, "changed", RUN[:1], [("here", "t::gone")])
    assert "t::gone" not in new.profiles["here"].tests
    assert [
        (c.test, c.old and c.old.metrics["private"], c.new and c.new.metrics["private"])
        for c in changes
    ] == [
        ("t::a", 100, 200),
        ("t::gone", 1, None),
    ]


def test_a_new_profile_is_added_with_its_environment():
    new, _ = update(
        OLD, "changed", [replace(found("t::a", 1, Verdict.OK), profile="elsewhere")], []
    )
    assert new.profiles["elsewhere"] == Profile({"kernel": "new"}, {"t::a": entry(1)})


def test_what_others_wrote_meanwhile_stays_but_where_this_run_changed_it():
    new, changes = update(OLD, "changed", RUN, [("here", "t::gone")])
    here = {"t::a": entry(101), "t::b": entry(100, 5), "t::d": entry(4), "t::gone": entry(1)}
    meanwhile = Baseline({"here": Profile({"kernel": "theirs"}, here), "third": OTHER})
    tests = {"t::a": entry(200, 5), "t::b": entry(50, 5), "t::c": entry(30), "t::d": entry(4)}
    assert merged(meanwhile, new, changes) == Baseline(
        {"here": Profile({"kernel": "new"}, tests), "third": OTHER}
    )
    assert merged(OLD, new, changes) == new
    assert merged(Baseline(), new, changes[-1:]) == Baseline()


@pytest.mark.parametrize(("grown", "private"), [(11, 111), (10, 100)])
def test_what_is_over_budget_is_accepted_where_it_has_regressed_as_well(grown, private):
    over = Judgment("private", 100 + grown, 0, 50, 100, 10, Verdict.OVER)
    run = [replace(measured("t::a", entry(100 + grown, 5), {}), judgments=(over,))]
    written = update(OLD, "changed", run, [])[0].profiles["here"].tests["t::a"]
    assert written.metrics["private"] == private


def test_what_is_over_budget_but_less_than_before_has_not_regressed():
    over = Judgment("private", 60, 0, 50, 100, 10, Verdict.OVER)
    run = [replace(measured("t::a", entry(60, 5), {}), judgments=(over,))]
    assert update(OLD, "changed", run, [])[0].profiles["here"].tests["t::a"] == entry(100, 5)


def test_what_is_over_budget_and_not_in_the_baseline_has_not_regressed():
    over = Judgment("private", 60, 0, 50, None, 0, Verdict.OVER)
    run = [replace(measured("t::a", entry(60, 5), {}), judgments=(over,))]
    assert update(OLD, "changed", run, [])[0].profiles["here"].tests["t::a"] == entry(100, 5)


def written_by_all(old, new):
    """The entry that an update of all makes of one, where every metric is within its tolerance."""
    before = Baseline({"here": Profile({}, {"t::a": old})})
    run = [measured("t::a", new, dict.fromkeys(new.metrics, Verdict.OK))]
    return update(before, "all", run, [])[0].profiles["here"].tests["t::a"]


@pytest.mark.parametrize(
    ("private", "first", "kept"),
    [(108, 92, True), (197, 100, True), (198, 100, False), (100, 109, False), (100, 91, False)],
)
def test_a_page_or_two_of_the_first_layout_are_no_difference(monkeypatch, private, first, kept):
    """The mean over five layouts may differ by 97.4 KiB, as in another layout."""
    monkeypatch.undo()
    old = replace(of_layouts({"private": 100 * KIB}, "then", {"private": 100 * KIB}), deviation={})
    new = replace(old, metrics={"private": private * KIB}, first={"private": first * KIB})
    assert written_by_all(old, new) == (old if kept else new)


@pytest.mark.parametrize(("master", "kept"), [(656, True), (657, False), (143, False)])
def test_a_master_differs_by_some_pages_with_its_environment(master, kept):
    old = replace(entry(100), metrics={"master": 400 * KIB})
    new = replace(old, metrics={"master": master * KIB})
    assert written_by_all(old, new) == (old if kept else new)


@pytest.mark.parametrize(
    ("private", "deviation", "kept"),
    [(197, 0, True), (198, 0, False), (2, 0, False), (321, 100, True), (322, 100, False)],
)
def test_in_another_layout_means_differ_by_more_than_chance(monkeypatch, private, deviation, kept):
    """That is 3.5 standard errors; a deviation of 100 KiB has one of 63.2 KiB, and 44 the least."""
    monkeypatch.undo()
    old = of_layouts({"private": 100 * KIB}, "then", {"private": deviation * KIB})
    new = replace(old, metrics={"private": private * KIB}, first={"private": 0}, layout="now")
    assert written_by_all(old, new) == (old if kept else new)
