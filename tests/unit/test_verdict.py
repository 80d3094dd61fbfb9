"""Every verdict and its effect, from measurements made by hand."""

from dataclasses import replace

import pytest

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated, undecided
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import LAYOUT_NOISE, Tolerance
from pytest_cowmem.model.verdict import Verdict

MIB = 2**20
SLACK = 64 * 1024
GC = "default: on, 700 10 10, 7 frozen"


def measured(spread=0, **values):
    return Measurement(values, dict.fromkeys(values, spread), (), 10, 3)


def entry(layout="here", **metrics):
    return Entry(metrics, {}, 3, "source", GC, layout)


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


def test_another_layout_is_tolerated_and_no_more():
    accepted = entry(layout="elsewhere", private=MIB)
    assert verdict_of(measured(private=MIB + SLACK + LAYOUT_NOISE), accepted=accepted) is Verdict.OK
    assert (
        verdict_of(measured(private=MIB + SLACK + LAYOUT_NOISE + 1), accepted=accepted)
        is Verdict.REGRESSED
    )
    accepted = entry(layout="elsewhere", gc_collections=0)
    assert verdict_of(measured(gc_collections=2), accepted=accepted) is Verdict.REGRESSED


def test_what_was_given_back_may_be_kept_in_another_layout_and_only_there():
    slack = SLACK + LAYOUT_NOISE + MIB // 2
    accepted = entry(layout="elsewhere", private=MIB, copied=MIB, returned=MIB // 2)
    assert of_first(measured(private=MIB + slack), accepted) is Verdict.OK
    assert of_first(measured(private=MIB + slack + 1), accepted) is Verdict.REGRESSED
    assert (
        of_first(measured(private=MIB + SLACK + 1), entry(private=MIB, returned=MIB // 2))
        is Verdict.REGRESSED
    )
    copies = Budget(tolerances={"copied": Tolerance(0, SLACK)})
    assert (
        of_first(
            measured(copied=MIB + SLACK + LAYOUT_NOISE + 1),
            entry(layout="elsewhere", copied=MIB, returned=MIB),
            copies,
        )
        is Verdict.REGRESSED
    )


def test_what_was_given_back_now_is_no_improvement_on_another_layout():
    accepted = entry(layout="elsewhere", private=9 * MIB)
    least = (
        9 * MIB - SLACK * 3 - MIB
    )  # 2 % of 9 MiB is less than 192 KiB: the allowance is 184.3 KiB + 128 KiB
    assert verdict_of(measured(private=least, returned=MIB), accepted=accepted) is Verdict.OK
    assert (
        verdict_of(measured(private=least - 2 * SLACK, returned=MIB), accepted=accepted)
        is Verdict.IMPROVED
    )


def test_another_layout_moves_growth_by_its_noise_over_all_requests():
    accepted = entry(layout="elsewhere", growth=0)
    noise = LAYOUT_NOISE // 10  # the measurements here made 10 requests
    assert verdict_of(measured(growth=64 + noise), accepted=accepted) is Verdict.OK
    assert verdict_of(measured(growth=64 + noise + 1), accepted=accepted) is Verdict.REGRESSED


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


def test_fresh_memory_may_be_packed_otherwise_in_another_layout():
    old = replace(entry(private=20 * MIB, fresh=10 * MIB), layout="elsewhere")
    slack = int(0.02 * 20 * MIB) + LAYOUT_NOISE + MIB // 2
    assert of_first(measured(private=20 * MIB + slack), old) is Verdict.OK
    assert of_first(measured(private=20 * MIB + slack + 1), old) is Verdict.REGRESSED
    assert (
        of_first(measured(private=20 * MIB + slack), replace(old, layout="here"))
        is Verdict.REGRESSED
    )


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
        ("noisy", {"update": "all"}, True),
        ("over", {"update": "all"}, True),
    ],
)
def test_effects(case, options, red):
    accepted = None if case == "new" else entry(private=2 * MIB)
    value = {"improved": MIB, "regressed": 3 * MIB}.get(case, 2 * MIB)
    budget = Budget({"private": MIB}) if case == "over" else Budget()
    measurement = measured(spread=MIB if case == "noisy" else 0, private=value)
    assert ruling_of(measurement, budget, accepted, **options).failed is red


OTHER = Entry({"private": 1}, {}, 3, "other", "freeze: on, 700 10 10, 7 frozen", "elsewhere")


def notes(accepted, now, recorded):
    return ruling_of(
        measured(private=1), accepted=accepted, environment=now, recorded=recorded
    ).notes


def test_notes_name_what_differs_and_is_not_matched():
    now, recorded = {"aslr": "on", "kernel": "6.1"}, {"aslr": "off", "kernel": "6.1"}
    assert notes(OTHER, now, recorded) == (
        "measured with aslr on; the baseline was last written with aslr off",
        "another layout than the baseline's: 128 KiB + 5% fresh tolerated",
        "the test's source has changed since the baseline: a difference may be the scenario's",
        f"the app's gc policy is {GC}; in the baseline {OTHER.gc}",
    )
    assert notes(None, now, recorded) == ()


def test_what_was_given_back_is_a_note_in_another_layout():
    returned = replace(OTHER, source="source", gc=GC, metrics={"private": 1, "returned": MIB})
    assert notes(returned, {}, {})[1:] == (
        "and 1.00 MiB that was given back then, which another layout may keep",
    )


def test_speed_is_recorded_and_not_worth_a_note():
    assert notes(entry(private=1), {"gc_speed": 1}, {"gc_speed": 2}) == ()


def test_a_frozen_count_alone_is_not_worth_a_note():
    old = replace(entry(private=1), gc="default: on, 700 10 10, 9 frozen")
    assert notes(old, {}, {}) == ()
