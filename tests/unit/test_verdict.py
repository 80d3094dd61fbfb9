"""Every verdict and its effect, from measurements made by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.judge.baseline import Entry
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.verdict import (
    Verdict,
    fails,
    gravest,
    judge,
    needs_more_rounds,
    notes,
    tolerances_of,
)
from pytest_cowmem.model.measurement import Measurement, Sample, growth_per_request
from pytest_cowmem.model.metrics import LAYOUT_NOISE, METRICS, Tolerance

MIB = 2**20
SLACK = 64 * 1024


def measured(spread=0, **values):
    return Measurement(values, dict.fromkeys(values, spread), (), 10, 3)


def entry(layout="here", **metrics):
    return Entry(metrics, {}, 3, "source", "default: on, 700 10 10, 7 frozen", layout)


def verdict_of(measurement, budget=None, known=None, compatible=True):
    budget = budget or Budget()
    judgments = judge(measurement, budget, known, tolerances_of(budget, {}), "here")
    return gravest(judgments, known, compatible), judgments


def of_first(measurement, known, budget=None):
    """The verdict on the first metric that was measured."""
    return verdict_of(measurement, budget, known)[1][0].verdict


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
    assert verdict_of(measured(private=private), known=entry(private=MIB))[0] is expected


def test_another_layout_is_tolerated_and_no_more():
    known = entry(layout="elsewhere", private=MIB)
    assert verdict_of(measured(private=MIB + SLACK + LAYOUT_NOISE), known=known)[0] is Verdict.OK
    assert (
        verdict_of(measured(private=MIB + SLACK + LAYOUT_NOISE + 1), known=known)[0]
        is Verdict.REGRESSED
    )
    known = entry(layout="elsewhere", gc_collections=0)
    assert verdict_of(measured(gc_collections=2), known=known)[0] is Verdict.REGRESSED


def test_what_was_given_back_may_be_kept_in_another_layout_and_only_there():
    slack = SLACK + LAYOUT_NOISE + MIB // 2
    known = entry(layout="elsewhere", private=MIB, copied=MIB, returned=MIB // 2)
    assert of_first(measured(private=MIB + slack), known) is Verdict.OK
    assert of_first(measured(private=MIB + slack + 1), known) is Verdict.REGRESSED
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
    known = entry(layout="elsewhere", private=9 * MIB)
    least = (
        9 * MIB - SLACK * 3 - MIB
    )  # 2 % of 9 MiB is less than 192 KiB: the allowance is 184.3 KiB + 128 KiB
    assert verdict_of(measured(private=least, returned=MIB), known=known)[0] is Verdict.OK
    assert (
        verdict_of(measured(private=least - 2 * SLACK, returned=MIB), known=known)[0]
        is Verdict.IMPROVED
    )


def test_another_layout_moves_growth_by_its_noise_over_all_requests():
    known = entry(layout="elsewhere", growth=0)
    noise = LAYOUT_NOISE // 10  # the measurements here made 10 requests
    assert verdict_of(measured(growth=64 + noise), known=known)[0] is Verdict.OK
    assert verdict_of(measured(growth=64 + noise + 1), known=known)[0] is Verdict.REGRESSED


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
    known = entry(private=1, gc_pause=1)
    assert needs_more_rounds(verdict_of(measured(**values), Budget(limits), known)[1]) is more


def test_over_budget_matters_more_than_a_regression():
    verdict, judgments = verdict_of(
        measured(private=3 * MIB), Budget({"private": 2 * MIB}), entry(private=MIB)
    )
    assert verdict is Verdict.OVER
    assert judgments[0].difference == 2 * MIB


def test_a_budget_holds_any_metric_and_zero_is_a_limit():
    assert verdict_of(measured(imports=0), Budget({"imports": 0}), entry())[0] is Verdict.OK
    assert verdict_of(measured(imports=1), Budget({"imports": 0}), entry())[0] is Verdict.OVER


def test_metrics_without_a_tolerance_are_not_held_to_the_baseline():
    assert verdict_of(measured(fresh=9 * MIB), known=entry(fresh=1))[0] is Verdict.OK


def test_spread_over_the_tolerance_is_noise_and_never_a_regression():
    verdict, judgments = verdict_of(
        measured(spread=SLACK + 1, private=5 * MIB), known=entry(private=MIB)
    )
    assert verdict is Verdict.NOISY
    assert {judgment.verdict for judgment in judgments} == {Verdict.NOISY}


@pytest.mark.parametrize(
    ("private", "expected"),
    [(5 * MIB, Verdict.OVER), (MIB + SLACK, Verdict.NOISY), (MIB // 2, Verdict.NOISY)],
)
def test_noise_around_a_budget_is_noise_and_beyond_it_is_over(private, expected):
    assert (
        verdict_of(measured(spread=2 * SLACK, private=private), Budget({"private": MIB}))[0]
        is expected
    )


def test_a_gated_metric_that_the_entry_lacks_is_new():
    known = entry(private=MIB)
    verdict, judgments = verdict_of(measured(private=MIB, growth=100, fresh=5), known=known)
    assert verdict is Verdict.NEW
    assert [judgment.metric for judgment in judgments if judgment.verdict is Verdict.NEW] == [
        "growth"
    ]
    assert fails(judgments, verdict, strict=True, ratchet=False, update=None)


def test_a_regression_is_not_hidden_by_noise_in_another_metric():
    measurement = Measurement(
        {"private": 5 * MIB, "gc_pause": 10**8}, {"private": 0, "gc_pause": 10**8}, (), 10, 3
    )
    assert verdict_of(measurement, known=entry(private=MIB, gc_pause=10**8))[0] is Verdict.REGRESSED


def test_new_and_incompatible():
    assert verdict_of(measured(private=1))[0] is Verdict.NEW
    assert verdict_of(measured(private=1), compatible=False)[0] is Verdict.INCOMPATIBLE


def test_a_metric_that_cannot_be_had_is_missing():
    verdict, judgments = verdict_of(measured(private=1), Budget({"growth": 64}), entry(private=1))
    assert verdict is Verdict.MISSING
    assert fails(judgments, verdict, strict=False, ratchet=False, update=None)
    verdict, judgments = verdict_of(measured(private=1), known=entry(private=1, growth=5))
    assert verdict is Verdict.MISSING
    assert not fails(judgments, verdict, strict=False, ratchet=False, update=None)
    assert fails(judgments, verdict, strict=True, ratchet=False, update=None)


def test_what_was_measured_once_and_no_longer_is_missing():
    verdict, judgments = verdict_of(measured(private=1), known=entry(private=1, copied=1, peak=1))
    assert verdict is Verdict.MISSING
    assert {judgment.metric for judgment in judgments if judgment.verdict is Verdict.MISSING} == {
        "copied",
        "peak",
    }


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
    known = None if case == "new" else entry(private=2 * MIB)
    value = {"improved": MIB, "regressed": 3 * MIB}.get(case, 2 * MIB)
    budget = Budget({"private": MIB}) if case == "over" else Budget()
    verdict, judgments = verdict_of(
        measured(spread=MIB if case == "noisy" else 0, private=value), budget, known
    )
    assert (
        fails(judgments, verdict, **{"strict": False, "ratchet": False, "update": None, **options})
        is red
    )


def test_notes_name_what_differs_and_is_not_matched():
    found, old = entry(), Entry({}, {}, 3, "other", "freeze: on, 700 10 10, 7 frozen", "elsewhere")
    said = notes(found, old, {"aslr": "on", "kernel": "6.1"}, {"aslr": "off", "kernel": "6.1"})
    assert said[0] == "measured with aslr on; the baseline was last written with aslr off"
    assert notes(found, None, {"aslr": "on"}, {"aslr": "off"}) == []
    assert [
        word in " ".join(said)
        for word in ("source has changed", "gc policy", "128 KiB + 5% fresh tolerated", "kernel")
    ] == [
        True,
        True,
        True,
        False,
    ]


def test_a_frozen_count_alone_is_not_worth_a_note():
    old = Entry({}, {}, 3, "source", "default: on, 700 10 10, 9 frozen", "here")
    assert notes(entry(), old, {}, {}) == []


def test_bytes_and_counts_by_median_times_by_minimum():
    samples = [
        Sample({"private": p, "gc_pause": t}, (), 1) for p, t in ((10, 9), (500, 5), (12, 7))
    ]
    summary = Measurement.of(samples)
    assert summary.values == {"private": 12, "gc_pause": 5}
    assert summary.spread == {"private": 488, "gc_pause": 2}


@pytest.mark.parametrize(("far", "spread"), [(0, 0), (2, 0), (3, 1000)])
def test_one_round_in_four_may_be_far_off(far, spread):
    samples = [Sample({"private": 1000 * (index < far)}, (), 1) for index in range(9)]
    assert Measurement.of(samples).spread == {"private": spread}


def test_a_metric_one_round_lacks_is_left_out():
    assert "growth" not in Measurement.of([Sample({"growth": 1}, (), 1), Sample({}, (), 1)]).values


PAGE = 4096
BURST = [1, 30, 59, 88, 117, 146, 175, 200]  # when memory is read in a burst of 200


PRIVATE_AFTER = {
    "a leak": (lambda n: 100 * n, 100),
    "a leak, page by page": (lambda n: n * 300 // PAGE * PAGE, 282),
    "a leak after a jump": (lambda n: 100 * n + (MIB if n > 30 else 0), 100),
    "shrinking": (lambda n: -100 * n, -100),
    "level": (lambda n: MIB, 0),
    "a page halfway": (lambda n: PAGE if n > 117 else 0, 0),
    "a jump early": (lambda n: MIB if n > 88 else 0, 0),
    "a jump halfway": (lambda n: MIB if n > 117 else 0, 0),
    "a jump late": (lambda n: MIB if n > 146 else 0, 0),
    "a jump at the end": (lambda n: MIB if n > 190 else 0, 0),
    "a long warm-up": (lambda n: min(n, 130) * PAGE, 0),
    "up and down": (lambda n: -abs(n - 140) * PAGE, 0),
}


@pytest.mark.parametrize("name", PRIVATE_AFTER)
def test_growth_is_what_rises_all_the_way_after_warm_up(name):
    private, growth = PRIVATE_AFTER[name]
    assert growth_per_request([(n, private(n)) for n in BURST]) == growth


@given(st.integers(1, 10**6), st.integers(20, 3000))
def test_growth_of_an_even_leak_is_the_leak(leak, requests):
    points = [(n, leak * n) for n in range(1, requests + 1, max(1, requests // 7))]
    assert growth_per_request([*points, (requests + 7, leak * (requests + 7))]) == leak


def test_growth_takes_requests():
    assert growth_per_request([(n, 0) for n in (1, 2, 3)]) is None
    assert growth_per_request([]) is None


def test_every_gated_metric_has_a_default_tolerance():
    gated = {name for name, metric in METRICS.items() if metric.tolerance}
    assert {"private", "growth", "gc_pause", "gc_collections"} <= gated
