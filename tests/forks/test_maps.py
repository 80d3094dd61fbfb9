"""A worker's memory map and pauses, of real forks: they agree with the round's figures."""

import gc
from collections import Counter

import pytest
from folders import APPS

from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.regions import ALLOCATOR, MAPPED
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.app import App
from pytest_cowmem.model.memory_map import COLLECTION, COPIED, COUNTS, FRESH, READY, SHARED
from pytest_cowmem.model.pause import Pauses
from pytest_cowmem.zygote import pauses

PAGE = procfs.PAGE


@pytest.fixture
def busy(zygotes):
    return zygotes.get(App("bare:busy"))


def drawn(zygote, body):
    """Measure one round as a run with a report does."""
    with CowWorker() as client, Round(zygote, 60, draws=True) as current:
        client.enter_round(current)
        body(client)
        return current.finish(aging=True)


def sizes(memory, by=lambda region, run: run.state):
    """Bytes by state, or by what `by` says."""
    found: Counter[object] = Counter()
    for region in memory.regions:
        for run in region.runs:
            found[by(region, run)] += run.pages * memory.page
    return found


def mixed(client):
    for path in ("/read", "/allocate", "/dirty", "/collect", "/map", "/share"):
        client.get(f"{path}?1000")


@pytest.mark.parametrize("body", [print, mixed], ids=["nothing", "everything"])
def test_a_map_has_the_pages_that_the_round_copied_and_those_that_are_fresh(busy, body):
    sample = drawn(busy, body)
    found = sizes(sample.map)
    for state, metric in ((COPIED, "copied"), (FRESH, "fresh")):
        assert found[state] == pytest.approx(sample.values[metric], abs=4 * PAGE), metric
    assert found[SHARED] > found[READY] > 0
    assert {COUNTS, COLLECTION}.isdisjoint(found)


def test_pages_are_found_in_the_regions_where_they_lie(busy):
    memory = drawn(busy, lambda client: client.get("/map?1000")).map
    found = sizes(memory, lambda region, run: (region.kind in (MAPPED, ALLOCATOR), run.state))
    assert found[True, FRESH] >= 1000 * PAGE > found[False, FRESH]


def test_a_round_that_nobody_draws_has_neither(busy, measure):
    sample = measure(busy, lambda client: client.call("gc:collect"))
    assert (sample.map, sample.pauses) == (None, Pauses())


def test_each_collection_is_a_pause(zygotes):
    zygote = zygotes.get(App("bare:busy", gc="off"))
    sample = drawn(
        zygote, lambda client: [client.call("gc:collect", 2), client.call("gc:collect", 1)]
    )
    full, young = sample.pauses
    assert (full.generation, young.generation, sample.pauses.more) == (2, 1, 0)
    assert full.cpu == sample.values["gc_pause"]
    assert full.cpu + young.cpu == pytest.approx(sample.values["gc_total"], abs=2)
    assert full.cpu <= full.at < young.at <= sample.pauses.cpu


def test_a_thousand_pauses_are_kept_and_make_the_worker_no_larger(zygotes):
    zygote = zygotes.get(App("bare:busy", gc="off"))

    def collected(times):
        return drawn(zygote, lambda client: client.call_burst(gc.collect, 0, times=times))

    # A single call would leave code unspecialized that many calls write to.
    # One round in hundreds has three pages more, on a busy machine: events would take them in all.
    few, many = ([collected(times) for _ in range(3)] for times in (100, pauses.MOST + 7))
    assert {(len(one.pauses), one.pauses.more) for one in few} == {(100, 0)}
    assert {(len(one.pauses), one.pauses.more) for one in many} == {(pauses.MOST, 7)}
    for metric in ("private", "peak"):
        least, most = (min(one.values[metric] for one in ones) for ones in (few, many))
        assert abs(most - least) <= 2 * PAGE, metric


def test_collections_that_nobody_recorded_to_the_end_are_no_pauses(zygotes):
    def body(client):
        client.call("gc:collect")
        client.call("bare:clear_callbacks")

    assert drawn(zygotes.get(App("bare:quiet")), body).pauses == Pauses()


def test_a_traced_map_says_whose_each_page_is(busy):
    with CowWorker() as client, TracedRound(busy, 60, 2, draws=True) as current:
        client.enter_round(current)
        client.get("/read")
        client.get("/collect")
        why = make(current.trace(), {}, APPS)
    found = sizes(why.map)
    by_module = sizes(why.map, lambda _, run: (run.state, run.module))
    assert by_module[COUNTS, "bare"] == sum(line.copied for line in why.lines if line.path)
    assert by_module[COUNTS, "bare"] > 500 * PAGE
    assert by_module[COLLECTION, "bare"] == sum(part.bytes for part in why.collections)
    assert by_module[COLLECTION, "bare"] > 100 * PAGE
    private = sum(found[state] for state in (COUNTS, COLLECTION, COPIED, FRESH))
    assert private == why.explained + why.tracer + why.unseen
