"""What a round's readings become: metrics of one round, and the summary over rounds."""

import re

import pytest
from folders import ROOT

from pytest_cowmem.judge.budget import parse_tolerance
from pytest_cowmem.model.growth import Growth
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.observation import Observation
from pytest_cowmem.model.reading import Generation, Reading

READY = Reading(private=100, uss=150, cpu=7, resident=900, highest=900, copied=60, fresh=40)
END = Reading(
    private=1100,
    uss=1250,
    cpu=47,
    resident=1500,
    highest=2900,
    copied=660,
    fresh=440,
    generations=(Generation(5, 50, 20, 4096), Generation(1, 9, 9, 0), Generation(0, 0, 0, 0)),
)
NONE_YET = (Generation(0, 0, 0, 0),) * 3


def observed(**changes):
    ready = Reading(**{**vars(READY), "generations": NONE_YET})
    return Observation(
        **{
            "ready": ready,
            "end": END,
            "ages": ((1, 700), (4, 1000)),
            "aged": 5000,
            "imports": ("late",),
            "requests": 4,
            "gc_scale": 2.0,
            **changes,
        }
    )


def test_every_metric_is_read_from_two_readings():
    assert Sample.of(observed()).values == {
        "private": 1000,
        "copied": 600,
        "fresh": 400,
        "uss": 1250,
        "aged": 5000,
        "first": 700,
        "peak": 2000,
        "returned": 1400,
        "gc_pause": 40,
        "gc_total": 118,
        "gc_collections": 6,
        "gc_collections_0": 5,
        "gc_collections_1": 1,
        "gc_collections_2": 0,
        "gc_copied": 4096,
        "imports": 1,
        "cpu": 10,
    }


def test_what_could_not_be_had_is_absent():
    less = dict.fromkeys(("copied", "fresh", "highest"))
    ready, end = (Reading(**{**vars(it), **less}) for it in (READY, END))
    values = Sample.of(
        observed(ready=ready, end=end, ages=(), aged=None, requests=0, recorded=False)
    ).values
    assert set(values) == {"private", "uss", "imports"}


def test_a_peak_that_did_not_count_from_ready_is_absent():
    ready = Reading(**{**vars(READY), "highest": None, "generations": NONE_YET})
    values = Sample.of(observed(ready=ready)).values
    assert not {"peak", "returned"} & set(values)


def test_readings_of_two_processes_add_up_and_differences_of_sums_are_sums_of_differences():
    both = (END + END) - (READY + READY)
    cost = END - READY
    assert both == cost + cost
    assert (END + END).generations[0] == Generation(10, 100, 20, 8192)
    assert (END + Reading(1, 1, 1)).copied is None


def test_of_two_generations_the_later_ones_longest_collection_counts():
    first, second = Generation(2, 7, 30, 1024), Generation(5, 50, 20, 4096)
    assert second - first == Generation(3, 43, 20, 3072)
    assert second + first == Generation(7, 57, 30, 5120)


def test_a_process_without_a_recorder_takes_no_collections_away():
    assert (END + Reading(1, 1, 1)).generations == END.generations
    assert (Reading(1, 1, 1) + END).generations == END.generations


def test_the_default_tolerances_are_those_of_the_reference():
    page = (ROOT / "docs/reference/metrics.md").read_text()
    table = re.findall(r"\| `(\w+)`[^|]*\| (\d[^|]*) \|", page.partition("## Tolerances")[2])
    told = {name: parse_tolerance(text, name) for name, text in table}
    for generation in range(3):
        told.setdefault(f"gc_collections_{generation}", told["gc_collections"])
    assert told == {name: metric.tolerance for name, metric in METRICS.items() if metric.tolerance}


def test_what_descendants_took_is_in_private_and_in_a_metric_of_its_own():
    descendants = Reading(private=300, uss=320, cpu=40, resident=0, highest=0, copied=0, fresh=0)
    seen = observed(end=END + descendants, descendants=descendants)
    alone, whole = Sample.of(observed()).values, Sample.of(seen).values
    changed = {name for name in whole if whole[name] != alone.get(name)}
    assert changed == {"private", "uss", "children", "cpu"}
    assert whole["children"] == 300 == whole["private"] - alone["private"]
    assert "children" not in alone


def test_bytes_and_counts_by_median_times_by_minimum():
    samples = [
        Sample({"private": p, "gc_pause": t}, (), 1) for p, t in ((10, 9), (500, 5), (12, 7))
    ]
    summary = Measurement.of(samples)
    assert summary.values == {"private": 12, "gc_pause": 5}
    assert summary.spread == {"private": 488, "gc_pause": 4}
    assert summary.layouts == {"private": (12,)}


def test_a_time_is_seen_beside_that_of_its_own_round():
    pairs = [(40, 20), (90, 60), (50, 25)]  # the second ran on a machine three times as slow
    samples = [Sample({"gc_pause": pause, "gc_full_pause": full}, (), 1) for pause, full in pairs]
    assert Measurement.of(samples).beside == {"gc_pause": (90, 60)}
    assert Measurement.of([Sample({"gc_pause": 1, "gc_full_pause": 0}, (), 1)]).beside == {}


def test_what_counts_pages_is_the_mean_of_the_layouts():
    rounds = [Sample({"private": p, "gc_collections": 3}, (), 1) for p in (10, 12, 500)]
    others = [Sample({"private": p, "gc_collections": 9}, ("late",), 1) for p in (18, 31)]
    summary = Measurement.of(rounds, others)
    assert summary.values == {"private": 20, "gc_collections": 3}
    assert summary.layouts == {"private": (12, 18, 31)}
    assert (summary.rounds, summary.imports) == (3, ("late",))
    assert "private" not in Measurement.of(rounds, [Sample({}, (), 1)]).values


@pytest.mark.parametrize(("far", "spread"), [(0, 0), (2, 0), (3, 1000)])
def test_one_round_in_four_may_be_far_off(far, spread):
    samples = [Sample({"private": 1000 * (index < far)}, (), 1) for index in range(9)]
    assert Measurement.of(samples).spread == {"private": spread}


def test_a_metric_one_round_lacks_is_left_out():
    assert "growth" not in Measurement.of([Sample({"growth": 1}, (), 1), Sample({}, (), 1)]).values


def test_one_round_of_each_layout_ages():
    rounds = [Sample({"uss": 1}, (), 1), Sample({"uss": 3, "aged": 9}, (), 1)]
    other = Sample({"uss": 5, "aged": 11}, (), 1)
    assert Measurement.of(rounds, [other]).layouts["aged"] == (9, 11)
    assert "aged" not in Measurement.of(rounds, [Sample({"uss": 5}, (), 1)]).values
    assert "aged" not in Measurement.of(rounds[:1]).values


@pytest.mark.parametrize("kind", [Sample, Measurement])
def test_growth_comes_from_a_round_of_its_own(kind):
    sample = Sample({"private": 1, "growth": 7}, (), 20)
    found = sample if kind is Sample else Measurement.of([sample])
    grown = found.with_growth(Growth(5, warming=True))
    assert grown.values == {"private": 1, "growth": 5}
    assert grown.growth == Growth(5, warming=True)
    assert found.with_growth(None) == found
