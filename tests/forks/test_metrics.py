"""Each metric is there where it can be measured, and says what the worker did."""

import pytest

from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.environ import make_environ
from pytest_cowmem.model.app import App
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.zygote.serve import wsgi

PAGE = procfs.PAGE
MIB = 2**20
SCENARIOS = {
    "nothing at all": lambda _client: None,
    "nothing": lambda client: client.get("/"),
    "reference counts": lambda client: client.get("/read"),
    "allocations": lambda client: client.get("/allocate?50000"),
    "a map of its own": lambda client: client.get("/map?2000"),
    "a map it could share": lambda client: client.get("/share?2000"),
    "a collection": lambda client: client.get("/collect"),
    "an import": lambda client: client.get("/import"),
    "freed again": lambda client: client.get("/transient?20000000"),
    "a bit of everything": lambda client: [
        client.get(f"{path}?3000") for path in ("/read", "/allocate", "/dirty", "/collect", "/map")
    ],
}


@pytest.fixture
def busy(zygotes):
    return zygotes.get(App("bare:busy"))


def near(expected, share, pages):
    """Equal within a share of `expected` or that many pages, whichever is more."""
    return pytest.approx(expected, abs=max(expected * share, pages * PAGE))


def test_every_metric_is_there(busy, measure):
    def body(client):
        client.get("/read")
        client.burst("GET", "/leak?100", times=100)

    sample = measure(busy, body, aging=True)
    # Growth has a round of its own, children are a tree's, and workers a host's.
    assert set(sample.values) == {*METRICS} - {"growth", "children", "workers"}
    assert all(isinstance(value, int) for value in sample.values.values())
    assert sample.requests == 101


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_copied_and_fresh_make_up_private(busy, measure, scenario):
    values = measure(busy, SCENARIOS[scenario]).values
    assert values["copied"] + values["fresh"] == near(values["private"], 0.01, 16)


@pytest.mark.parametrize("pages", [100, 1000, 4000])
def test_pages_written_to_are_copied_pages(busy, measure, pages):
    idle = measure(busy, lambda client: client.get("/dirty?0")).values
    values = measure(busy, lambda client: client.get(f"/dirty?{pages}")).values
    assert values["private"] - idle["private"] == near(pages * PAGE, 0.01, 8)
    assert values["copied"] - idle["copied"] == near(pages * PAGE, 0.01, 8)
    assert values["fresh"] <= 8 * PAGE


def test_pages_mapped_after_the_fork_are_fresh_pages(busy, measure):
    values = measure(busy, lambda client: client.get("/map?1000")).values
    assert values["fresh"] == near(1000 * PAGE, 0.01, 8)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("/"),
        lambda client: client.burst("GET", "/", times=1),
        lambda client: client.burst("GET", "/", times=1000),
        lambda client: client.post("/", content=b"x" * 1000),
        lambda client: client.call("gc:isenabled"),
        lambda client: [client.get("/") for _ in range(50)],
    ],
    ids=["get", "burst", "long burst", "post", "call", "50 requests"],
)
def test_an_app_that_does_nothing_costs_next_to_nothing(zygotes, measure, ask):
    assert 0 <= measure(zygotes.get(App("trivial:app")), ask).values["private"] <= 64 * 1024


def test_the_harness_rehearses_with_what_a_request_really_brings():
    with CowWorker() as client:
        assert set(wsgi.REHEARSALS[0][0][1]) == set(make_environ(client.build_request("GET", "/")))


def test_first_is_the_first_requests_part(busy, measure):
    values = measure(busy, lambda client: [client.get("/read"), client.get("/dirty?1000")]).values
    alone = measure(busy, lambda client: client.get("/read")).values
    assert values["first"] == near(alone["private"], 0.01, 3)
    assert values["first"] + 1000 * PAGE <= values["private"]
    burst = measure(busy, lambda client: client.burst("GET", "/allocate?100", times=500)).values
    assert 0 < burst["first"] < burst["private"]


def test_what_takes_a_request_is_absent_without_one(busy, measure):
    values = measure(busy, lambda _client: None).values
    assert not {"first", "cpu"} & set(values)
    assert values["private"] <= 3 * PAGE


def test_a_late_import_is_named(busy, measure):
    sample = measure(busy, lambda client: client.get("/import"))
    assert (sample.imports, sample.values["imports"]) == (("this_is_late",), 1)
    assert measure(busy, lambda client: client.get("/")).values["imports"] == 0


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_collections_are_counted_by_generation(zygotes, measure, generation):
    zygote = zygotes.get(App("bare:quiet", gc="off"))
    values = measure(zygote, lambda client: client.call("gc:collect", generation)).values
    counts = [values[f"gc_collections_{number}"] for number in range(3)]
    assert counts == [int(number == generation) for number in range(3)]
    assert values["gc_collections"] == 1
    assert 0 < values["gc_pause"] == values["gc_total"]


def allocate(client):
    client.get("/allocate?50000")


def test_gc_times_are_those_of_a_machine_that_collects_100_000_lists_in_2_ms(busy):
    """docs/reference/metrics.md says so, and committed baselines rest on it."""
    assert round(busy.facts.gc_speed * busy.gc_scale) == 2_000_000


def test_other_layouts_whose_times_nobody_reads_time_no_collection(busy, zygotes):
    speeds = [other.facts.gc_speed for other in zygotes.others(busy.app)]
    assert speeds == [busy.facts.gc_speed] * 4


def test_nothing_is_collected_where_the_policy_is_off(zygotes, measure):
    off, on = (
        measure(zygotes.get(App("bare:busy", gc=policy)), allocate).values
        for policy in ("off", "default")
    )
    figures = ("gc_collections", "gc_pause", "gc_total", "gc_copied")
    assert [off[name] for name in figures] == [0, 0, 0, 0]
    assert on["gc_collections"] > 5


def collect(client):
    client.get("/collect")


def test_a_collection_copies_what_is_not_frozen(zygotes, measure):
    default, frozen = (
        measure(zygotes.get(App("bare:busy", gc=policy)), collect).values["gc_copied"]
        for policy in ("default", "freeze")
    )
    assert default > 2 * MIB
    assert frozen < default / 8


@pytest.mark.parametrize("policy", ["default", "freeze"])
def test_collections_start_in_the_same_phase_whatever_was_preloaded(zygotes, talk, policy):
    phases = set()
    for padding in ("0", "40", "650", "7000"):
        app = App("bare:quiet", gc=policy, prepare="bare:pad", env={"PADDING": padding})
        with talk(zygotes.get(app)) as client:
            phases.add(tuple(client.call("gc:get_count")))
            assert (client.call("gc:get_freeze_count") > 1000) is (policy == "freeze")
    ((young, *older),) = phases
    assert young < 50
    assert older == [0, 0]


def test_a_full_collection_is_measured_apart_from_what_a_worker_collects(zygotes, measure):
    quiet, collected, frozen = (
        measure(zygotes.get(App("bare:busy", gc=policy)), body).values
        for policy, body in (("default", print), ("default", collect), ("freeze", print))
    )
    assert quiet["gc_collections"] == 0
    assert quiet["gc_full"] > 2 * MIB
    assert collected["gc_full"] == near(quiet["gc_full"], 0, 2)
    assert collected["gc_copied"] == near(quiet["gc_full"], 0.1, 16)
    assert frozen["gc_full"] < quiet["gc_full"] / 8
    assert frozen["gc_full_pause"] < quiet["gc_full_pause"]


def test_the_master_is_what_the_app_costs_once(zygotes, measure):
    small, large = (
        measure(zygotes.get(App(name)), print).values["master"]
        for name in ("trivial:app", "bare:busy")
    )
    assert 2 * MIB < small < 32 * MIB
    assert large - small > 4096 * PAGE  # the area that the app writes to


def test_the_masters_libraries_are_mapped(zygotes, measure):
    mapped = measure(zygotes.get(App("trivial:app")), print).values["mapped"]
    assert MIB < mapped < 64 * MIB


def test_aging_counts_no_module_names(zygotes, measure):
    frozen = zygotes.get(App("bare:busy", gc="freeze"))
    values = measure(frozen, lambda client: client.call("gc:collect"), aging=True).values
    assert values["aged"] == near(values["uss"], 0, 8)


def test_the_peak_sees_what_was_freed_again(busy, measure):
    values = measure(busy, lambda client: client.get("/transient?50000000")).values
    assert 45 * 10**6 < values["peak"] < 110 * 10**6
    assert values["peak"] - 2 * 2**20 < values["returned"] <= values["peak"]
    assert values["private"] < MIB


def test_uss_is_at_least_what_was_added(busy, measure):
    values = measure(busy, lambda client: client.get("/dirty?1000")).values
    assert values["uss"] > values["private"]
    assert values["cpu"] > 0


def test_collections_nobody_recorded_are_missing_and_not_zero(zygotes, measure):
    zygote = zygotes.get(App("bare:quiet"))
    values = measure(zygote, lambda client: client.call("bare:clear_callbacks")).values
    assert "private" in values
    recorded = {name for name in METRICS if name.startswith("gc_")} - {"gc_full", "gc_full_pause"}
    assert not recorded & set(values)
