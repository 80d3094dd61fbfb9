"""Every verdict and its effect, from measurements made by hand."""

from dataclasses import replace

import pytest

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated, undecided
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.growth import Growth
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import OF_GROWTH, OF_PRIVATE, OF_TREE
from pytest_cowmem.model.verdict import Verdict

MIB = 2**20
SLACK = 64 * 1024
GC = "default: on, 700 10 10"


def measured(spread=0, **values):
    return Measurement(values, dict.fromkeys(values, spread), (), 10, 3)


def entry(layout="here", **metrics):
    return Entry(metrics, "source", GC, layout)


def gate(budget=None, accepted=None, environment=None, **options):
    budget = budget or Budget()
    conditions = Conditions("profile", environment or {}, "source", GC, "here")
    return Gate(conditions, budget, gated({}, budget), accepted, **options)


def ruling_of(measurement, budget=None, accepted=None, **options):
    return gate(budget, accepted, **options).judge(measurement)


def verdict_of(measurement, budget=None, accepted=None, **options):
    return ruling_of(measurement, budget, accepted, **options).verdict


def of_first(measurement, accepted, budget=None):
    """The verdict on the first metric that was measured."""
    return ruling_of(measurement, budget, accepted).judgments[0].verdict


@pytest.mark.parametrize(
    ("private", "expected"),
    [
        (MIB, Verdict.OK),
        (MIB + SLACK, Verdict.OK),
        (MIB + SLACK + 1, Verdict.REGRESSED),
        (MIB - SLACK, Verdict.OK),
        (MIB - SLACK - 1, Verdict.IMPROVED),
    ],
)
def test_private_against_the_baseline(private, expected):
    assert verdict_of(measured(private=private), accepted=entry(private=MIB)) is expected


def in_layouts(*amounts, metric="private"):
    """A measurement over layouts, which the mean is of."""
    return Measurement(
        {metric: sum(amounts) // len(amounts)}, {metric: 0}, (), 10, 3, {metric: amounts}
    )


def elsewhere(mean, deviation=0, layouts=5):
    """An entry of another layout than the measurements here."""
    return replace(
        entry(private=mean), layout="there", layouts=layouts, deviation={"private": deviation}
    )


KIB = 1024
FIVE = (0, 10, 20, 30, 40)  # KiB around a mean of 20; their standard deviation is 15.8


def around(mean):
    return in_layouts(*(mean + (part - 20) * KIB for part in FIVE))


@pytest.mark.parametrize(
    ("amounts", "accepted", "verdict"),
    [
        ((MIB + SLACK,), elsewhere(MIB), Verdict.OK),
        # 3.5 * 80 KiB * sqrt(1 + 1/5) = 306.7 KiB
        ((MIB + 306 * KIB,), elsewhere(MIB, 80 * KIB), Verdict.OK),
        ((MIB + 307 * KIB,), elsewhere(MIB, 80 * KIB), Verdict.REGRESSED),
        ((MIB - 307 * KIB,), elsewhere(MIB, 80 * KIB), Verdict.IMPROVED),
        # A deviation of less than 44 KiB is luck: 168.7 KiB, and 217.8 KiB with one and one.
        ((MIB + 168 * KIB,), elsewhere(MIB, 1 * KIB), Verdict.OK),
        ((MIB + 169 * KIB,), elsewhere(MIB, 1 * KIB), Verdict.REGRESSED),
        ((MIB + 217 * KIB,), elsewhere(MIB, layouts=1), Verdict.OK),
        ((MIB + 218 * KIB,), elsewhere(MIB, layouts=1), Verdict.REGRESSED),
        # 3.5 * 141.4 KiB * sqrt(1/2 + 1/1) = 606.2 KiB
        ((MIB, MIB + 200 * KIB), elsewhere(MIB, layouts=1), Verdict.OK),
        ((MIB + 506 * KIB, MIB + 706 * KIB), elsewhere(MIB, layouts=1), Verdict.OK),
        ((MIB + 507 * KIB, MIB + 707 * KIB), elsewhere(MIB, layouts=1), Verdict.REGRESSED),
    ],
)
def test_another_layout_is_held_to_chance_where_it_is_more_than_the_tolerance(
    amounts, accepted, verdict
):
    assert verdict_of(in_layouts(*amounts), accepted=accepted) is verdict


def test_the_means_of_five_and_five_layouts_are_held_to_chance_or_to_a_larger_tolerance():
    accepted = elsewhere(MIB, 16 * KIB)  # 3.5 * 44 KiB * sqrt(2/5) = 97.4 KiB, more than 64 KiB
    assert verdict_of(around(MIB + 97 * KIB), accepted=accepted) is Verdict.OK
    assert verdict_of(around(MIB + 98 * KIB), accepted=accepted) is Verdict.REGRESSED
    accepted = elsewhere(100 * MIB, 16 * KIB)
    assert verdict_of(around(101 * MIB), accepted=accepted) is Verdict.OK
    assert verdict_of(around(101 * MIB + 1), accepted=accepted) is Verdict.REGRESSED


# A worker that leaves much garbage has an arena of pymalloc's more in some layouts: 252 pages of
# 20 MiB on CPython 3.15.
ARENA = 252 * 4 * KIB
BASE = 20 * MIB


@pytest.mark.parametrize(
    ("deviation", "spread", "more", "verdict"),
    [
        # Rounds as far apart as the baseline's layouts: two rounds may be so by 3.5 * 200 KiB *
        # sqrt(1 + 1/5) = 767 KiB, and means by 3.5 * 221 KiB * sqrt(2/5) = 489 KiB.
        (200 * KIB, 240 * KIB, 488 * KIB, Verdict.OK),
        (200 * KIB, 240 * KIB, 490 * KIB, Verdict.REGRESSED),
        # Rounds that agree are surer: 3.5 * 141 KiB * sqrt(2/5) = 313 KiB.
        (200 * KIB, 0, 312 * KIB, Verdict.OK),
        (200 * KIB, 0, 314 * KIB, Verdict.REGRESSED),
        # One layout of five that has an arena more says how much is luck: 3.5 * 1 MiB * sqrt(2/5).
        (256 * KIB, 0, 2266 * KIB, Verdict.OK),
        (410 * KIB, ARENA, 2266 * KIB, Verdict.OK),
        (410 * KIB, ARENA, 2267 * KIB, Verdict.REGRESSED),
        (255 * KIB, 0, 1005 * KIB, Verdict.REGRESSED),
        # Rounds that are farther apart than any layouts were.
        (200 * KIB, ARENA, 0, Verdict.NOISY),
        (200 * KIB, ARENA, 1005 * KIB, Verdict.NOISY),
    ],
)
def test_rounds_are_noise_where_they_differ_by_more_than_the_baselines_layouts(
    deviation, spread, more, verdict
):
    five = replace(in_layouts(*[BASE + more] * 5), spread={"private": spread})
    assert verdict_of(five, accepted=elsewhere(BASE, deviation)) is verdict


def test_what_copies_alone_is_held_to_its_own_deviation_however_large():
    # 3.5 * 205 KiB * sqrt(2/5) = 454 KiB
    accepted = replace(elsewhere(BASE), metrics={"gc_full": BASE}, deviation={"gc_full": 290 * KIB})
    five = in_layouts(*[BASE + 453 * KIB] * 5, metric="gc_full")
    assert of_first(five, accepted) is Verdict.OK
    five = in_layouts(*[BASE + 455 * KIB] * 5, metric="gc_full")
    assert of_first(five, accepted) is Verdict.REGRESSED


@pytest.mark.parametrize(
    ("spread", "more", "differ"),
    [(SLACK * 5, 3 * SLACK, True), (0, 6 * SLACK, False), (SLACK * 5, 0, False)],
)
def test_more_rounds_are_asked_for_where_other_layouts_are_to_decide(spread, more, differ):
    one = replace(in_layouts(20 * SLACK + more), spread={"private": spread})
    assert gate(accepted=elsewhere(20 * SLACK)).rounds_differ(one) is differ


def test_in_the_baselines_own_layout_the_first_ones_are_compared_exactly():
    accepted = replace(
        entry(private=2 * MIB), first={"private": MIB}, deviation={"private": 400 * KIB}
    )
    assert verdict_of(in_layouts(MIB + SLACK), accepted=accepted) is Verdict.OK
    (judgment,) = ruling_of(in_layouts(MIB + SLACK + 1), accepted=accepted).judgments
    assert judgment.verdict is Verdict.REGRESSED
    assert judgment.baseline == MIB
    assert judgment.allowed == SLACK


@pytest.mark.parametrize(
    ("amounts", "doubt"),
    [
        ((MIB,), False),
        ((MIB + SLACK,), False),
        ((MIB + SLACK + 1,), True),
        ((9 * MIB,), True),  # one layout alone makes nothing red
        ((9 * MIB, 9 * MIB), False),
        ((MIB + SLACK + 1, MIB), False),
        # 64 KiB and 3.5 * 44 KiB * sqrt(1/2 + 1/5) = 192.8 KiB
        ((MIB + 192 * KIB, MIB + 192 * KIB), True),
        ((MIB + 193 * KIB, MIB + 193 * KIB), False),
        ((MIB + 2 * SLACK,) * 5, False),
        ((MIB - 2 * SLACK,), False),
    ],
)
def test_layouts_are_measured_until_it_is_clear(amounts, doubt):
    held = gate(accepted=elsewhere(MIB))
    assert held.in_doubt(in_layouts(*amounts)) is doubt


def test_an_improvement_is_in_doubt_where_it_would_be_red():
    lower = in_layouts(MIB - 2 * SLACK)
    assert gate(accepted=elsewhere(MIB), ratchet=True).in_doubt(lower)
    assert not gate(accepted=elsewhere(MIB)).in_doubt(lower)
    assert not gate(accepted=entry(private=MIB), ratchet=True).in_doubt(lower)


@pytest.mark.parametrize(
    ("amounts", "doubt"),
    [((MIB,), False), ((MIB + 1,), True), ((MIB + SLACK,), True), ((MIB + SLACK + 1,), False)],
)
def test_what_is_just_over_budget_is_in_doubt(amounts, doubt):
    held = gate(Budget({"private": MIB}))
    assert held.in_doubt(in_layouts(*amounts)) is doubt


def of_limit(measurement, budget):
    return of_first(measurement, None, budget)


def test_the_mean_of_the_layouts_is_held_to_the_budget():
    limit = Budget({"private": MIB})
    assert of_limit(in_layouts(MIB + 8, MIB - 8), limit) is Verdict.OK
    assert of_limit(in_layouts(MIB - 8, MIB + 10), limit) is Verdict.OVER


def test_counts_do_not_vary_with_the_layout():
    accepted = replace(entry(gc_collections=0), layout="there")
    assert verdict_of(measured(gc_collections=2), accepted=accepted) is Verdict.REGRESSED
    accepted = entry(gc_collections_1=0, gc_collections_2=0)
    assert verdict_of(measured(gc_collections_1=1, gc_collections_2=0), accepted=accepted) is (
        Verdict.OK
    )
    assert verdict_of(measured(gc_collections_1=0, gc_collections_2=1), accepted=accepted) is (
        Verdict.REGRESSED
    )


MS = 10**6


@pytest.mark.parametrize(
    ("now", "then", "verdict"),
    [
        ((50 * MS, 100 * MS), (20 * MS, 40 * MS), Verdict.OK),  # all takes 2.5 times as long
        ((50 * MS, 40 * MS), (20 * MS, 40 * MS), Verdict.REGRESSED),
        ((50 * MS, 10 * MS), (20 * MS, 40 * MS), Verdict.REGRESSED),
        ((30 * MS, 10 * MS), (20 * MS, 40 * MS), Verdict.OK),  # no longer than it was
        ((50 * MS, 0), (20 * MS, 0), Verdict.REGRESSED),
    ],
)
def test_a_pause_is_longer_where_a_full_collection_beside_it_is_not(now, then, verdict):
    pause, full = now
    measurement = replace(
        measured(gc_pause=pause, gc_full_pause=full),
        beside={"gc_pause": (pause, full)} if full else {},
    )
    accepted = entry(gc_pause=then[0], gc_full_pause=then[1])
    assert of_first(measurement, accepted) is verdict


def test_a_time_is_never_noisy():
    accepted = entry(gc_pause=MS)
    assert verdict_of(measured(gc_pause=MS, spread=90 * MS), accepted=accepted) is Verdict.OK


def test_noise_far_below_what_it_is_held_to_is_fine():
    accepted = entry(private=9 * MIB)
    assert verdict_of(measured(private=MIB, spread=2 * MIB), accepted=accepted) is Verdict.IMPROVED
    assert verdict_of(measured(private=8 * MIB, spread=2 * MIB), accepted=accepted) is Verdict.NOISY
    limit = Budget({"private": 4 * MIB})
    noisy = {"private": 3 * MIB, "spread": 2 * MIB}
    assert verdict_of(measured(**noisy), limit, accepted) is Verdict.NOISY


def test_growth_counts_no_pages_and_so_no_layout_moves_it():
    accepted = replace(entry(growth=0), layout="there")
    assert verdict_of(measured(growth=8), accepted=accepted) is Verdict.OK
    assert verdict_of(measured(growth=9), accepted=accepted) is Verdict.REGRESSED


@pytest.mark.parametrize(
    ("budget", "accepted", "red"),
    [
        (Budget({"growth": 63}), entry(growth=64), Verdict.OVER),
        (Budget({"growth": 999}), entry(growth=50), Verdict.REGRESSED),
        (Budget({"growth": 63}), None, Verdict.OVER),
    ],
)
def test_growth_that_still_falls_is_not_red_and_says_so(budget, accepted, red):
    at_rest = measured(growth=64)
    assert ruling_of(at_rest, budget, accepted).judgments[0].verdict is red
    ruling = ruling_of(replace(at_rest, growth=Growth(64, warming=True)), budget, accepted)
    assert (ruling.judgments[0].verdict, ruling.failed) == (Verdict.OK, False)
    assert ruling.notes[-1] == (
        "growth is 64 B a request and falling, so it is not judged: "
        "the app is still warming up after 10 requests, so make more"
    )


def test_growth_of_small_objects_alone_says_so():
    part = measured(growth=64).with_growth(Growth(64, whole=False))
    (note,) = ruling_of(part).notes
    assert note.startswith("growth counts objects of up to 512 bytes only: ")


def test_growth_that_falls_and_is_within_its_limits_needs_no_word():
    warming = measured(growth=64, private=MIB).with_growth(Growth(64, warming=True))
    for accepted in (entry(growth=64, private=1), entry(growth=900, private=MIB)):
        assert not ruling_of(warming, Budget({"growth": 64}), accepted).notes
    assert verdict_of(warming, accepted=entry(growth=64, private=1)) is Verdict.REGRESSED


@pytest.mark.parametrize(
    ("values", "limits", "more"),
    [
        ({"gc_pause": 10**9}, {"gc_pause": 10**6}, True),
        ({"gc_pause": 10**9}, {}, True),
        ({"private": 9 * MIB}, {"private": MIB}, False),
        ({"private": 9 * MIB}, {}, False),
        ({"private": 1, "gc_pause": 1}, {}, False),
    ],
)
def test_a_time_that_is_too_long_is_measured_again_and_bytes_are_not(values, limits, more):
    accepted = entry(private=1, gc_pause=1)
    assert undecided(ruling_of(measured(**values), Budget(limits), accepted)) is more


def test_over_budget_matters_more_than_a_regression():
    ruling = ruling_of(measured(private=3 * MIB), Budget({"private": 2 * MIB}), entry(private=MIB))
    assert ruling.verdict is Verdict.OVER
    assert ruling.judgments[0].difference == 2 * MIB


def test_a_budget_holds_any_metric_and_zero_is_a_limit():
    assert verdict_of(measured(imports=0), Budget({"imports": 0}), entry()) is Verdict.OK
    assert verdict_of(measured(imports=1), Budget({"imports": 0}), entry()) is Verdict.OVER


def test_metrics_without_a_tolerance_are_not_held_to_the_baseline():
    assert verdict_of(measured(fresh=9 * MIB), accepted=entry(fresh=1)) is Verdict.OK


def test_spread_over_the_tolerance_is_noise_and_never_a_regression():
    noisy = measured(spread=SLACK + 1, private=5 * MIB)
    ruling = ruling_of(noisy, accepted=entry(private=MIB))
    assert ruling.verdict is Verdict.NOISY
    assert {judgment.verdict for judgment in ruling.judgments} == {Verdict.NOISY}


@pytest.mark.parametrize(
    ("private", "expected"),
    [(5 * MIB, Verdict.OVER), (MIB + SLACK, Verdict.NOISY), (MIB // 2, Verdict.NOISY)],
)
def test_noise_around_a_budget_is_noise_and_beyond_it_is_over(private, expected):
    assert (
        verdict_of(measured(spread=2 * SLACK, private=private), Budget({"private": MIB}))
        is expected
    )


def test_what_is_not_gated_has_no_tolerance_and_one_round_no_spread():
    (judgment,) = ruling_of(Measurement({"fresh": MIB}, {}, (), 10, 1)).judgments
    assert (judgment.spread, judgment.allowed) == (0, 0)


def with_verdict(ruling, verdict):
    return {judgment.metric for judgment in ruling.judgments if judgment.verdict is verdict}


def test_a_tree_is_held_to_a_tolerance_of_its_own_unless_somebody_says_otherwise():
    held = gated({}, Budget({}), tree=True)
    assert held["private"] == held["children"] == OF_TREE
    assert gated({}, Budget({}))["private"] == OF_PRIVATE
    assert gated({"private": OF_GROWTH}, Budget({}), tree=True)["private"] == OF_GROWTH


def test_a_gated_metric_that_the_entry_lacks_is_new():
    measurement = measured(private=MIB, growth=100, fresh=5)
    ruling = ruling_of(measurement, accepted=entry(private=MIB), strict=True)
    assert ruling.verdict is Verdict.NEW
    assert with_verdict(ruling, Verdict.NEW) == {"growth"}
    assert ruling.failed


def test_a_regression_is_not_hidden_by_noise_in_another_metric():
    measurement = Measurement(
        {"private": 5 * MIB, "gc_pause": 10**8}, {"private": 0, "gc_pause": 10**8}, (), 10, 3
    )
    assert verdict_of(measurement, accepted=entry(private=MIB, gc_pause=10**8)) is Verdict.REGRESSED


def test_new_and_incompatible():
    assert verdict_of(measured(private=1)) is Verdict.NEW
    assert verdict_of(measured(private=1), compatible=False) is Verdict.INCOMPATIBLE


@pytest.mark.parametrize(
    ("limits", "accepted", "strict", "failed"),
    [
        ({"growth": 64}, entry(private=1), False, True),
        ({"peak": 64}, entry(private=1), False, True),
        ({}, entry(private=1, growth=5), False, False),
        ({}, entry(private=1, growth=5), True, True),
    ],
)
def test_a_metric_that_cannot_be_had_is_missing(limits, accepted, strict, failed):
    ruling = ruling_of(measured(private=1), Budget(limits), accepted, strict=strict)
    assert ruling.verdict is Verdict.MISSING
    assert ruling.failed is failed


def test_what_was_measured_once_and_no_longer_is_missing():
    ruling = ruling_of(measured(private=1), accepted=entry(private=1, copied=1, peak=1))
    assert ruling.verdict is Verdict.MISSING
    assert with_verdict(ruling, Verdict.MISSING) == {"copied", "peak"}


@pytest.mark.parametrize(
    ("case", "options", "red"),
    [
        ("ok", {}, False),
        ("new", {}, False),
        ("new", {"strict": True}, True),
        ("new", {"strict": True, "update": "new"}, False),
        ("new", {"strict": True, "update": "tighten"}, True),
        ("improved", {}, False),
        ("improved", {"ratchet": True}, True),
        ("improved", {"ratchet": True, "update": "tighten"}, False),
        ("regressed", {}, True),
        ("regressed", {"update": "changed"}, False),
        ("regressed", {"update": "all"}, False),
        ("regressed", {"update": "new"}, True),
        ("regressed", {"update": "tighten"}, True),
        ("noisy", {}, True),
        ("noisy", {"update": "changed"}, True),
        ("noisy", {"update": "all"}, False),
        ("over", {"update": "all"}, True),
    ],
)
def test_effects(case, options, red):
    accepted = None if case == "new" else entry(private=2 * MIB)
    value = {"improved": MIB, "regressed": 3 * MIB}.get(case, 2 * MIB)
    budget = Budget({"private": MIB}) if case == "over" else Budget()
    measurement = measured(spread=MIB if case == "noisy" else 0, private=value)
    assert ruling_of(measurement, budget, accepted, **options).failed is red


OTHER = Entry({"private": 1}, "other", "freeze: on, 700 10 10", "elsewhere")


def notes(accepted, now, recorded):
    return ruling_of(
        measured(private=1), accepted=accepted, environment=now, recorded=recorded
    ).notes


def test_notes_name_what_differs_and_is_not_matched():
    now, recorded = {"aslr": "on", "kernel": "6.1"}, {"aslr": "off", "kernel": "6.1"}
    assert notes(OTHER, now, recorded) == (
        "measured with aslr on; the baseline was last written with aslr off",
        "the test's source has changed since the baseline: a difference may be the scenario's",
        f"the app's gc policy is {GC}; in the baseline {OTHER.gc}",
    )
    assert notes(None, now, recorded) == ()


def test_speed_is_recorded_and_not_worth_a_note():
    assert notes(entry(private=1), {"gc_speed": 1}, {"gc_speed": 2}) == ()
