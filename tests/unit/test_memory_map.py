"""A worker's memory map and its pauses as values: small, and the same after any way they travel."""

import json
from dataclasses import asdict, replace
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import record

from pytest_cowmem.model.memory_map import (
    ABSENT,
    COLLECTION,
    COPIED,
    COUNTS,
    FRESH,
    READY,
    SHARED,
    MappedRegion,
    MemoryMap,
    Run,
)
from pytest_cowmem.model.pause import Pause, Pauses
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.typed import typed

PAGE = 4096
STATES = (SHARED, COUNTS, COLLECTION, COPIED, FRESH, READY, ABSENT)
EXAMPLE = MemoryMap(PAGE, ("shop.views", "typing"), (("C heap", "", "s12w3:0f:1a"),))

runs = st.builds(
    Run, st.integers(1, 10**6), st.sampled_from(STATES), st.sampled_from(["", "shop", "a:b 1"])
)
regions = st.builds(
    MappedRegion,
    st.sampled_from(["C heap", "stack"]),
    st.sampled_from(["", "libz.so.1"]),
    st.lists(runs, min_size=1).map(tuple),
)


def pages(found):
    """Each region with its runs; neighbours that are alike are one."""
    for key, alike in groupby(found, lambda region: (region.kind, region.name)):
        all_runs = [run for region in alike for run in region.runs]
        joined = groupby(all_runs, lambda run: (run.state, run.module))
        yield key, [(*what, sum(run.pages for run in same)) for what, same in joined]


def test_a_map_says_of_each_page_what_became_of_it():
    (region,) = EXAMPLE.regions
    assert region == MappedRegion(
        "C heap",
        "",
        (Run(12, SHARED), Run(3, COUNTS, "shop.views"), Run(1, FRESH, "typing"), Run(1, ABSENT)),
    )


@given(st.lists(regions))
def test_a_map_gives_back_the_regions_that_it_was_made_of(found):
    again = MemoryMap.of(PAGE, found).regions
    assert list(pages(again)) == list(pages(found))
    assert MemoryMap.of(PAGE, again).regions == again


def test_neighbours_that_are_alike_become_one():
    halves = [MappedRegion("C heap", "", (Run(2, SHARED), Run(1, SHARED)))] * 2
    assert MemoryMap.of(PAGE, halves).coded == (("C heap", "", "s6"),)


def test_a_map_with_a_run_for_every_other_page_of_a_mebibyte_takes_less_than_a_kilobyte():
    found = [MappedRegion("allocator", "", (Run(1, SHARED), Run(1, COUNTS, "shop")) * 128)]
    text = json.dumps(asdict(MemoryMap.of(PAGE, found)))
    assert len(text) < 1000


def test_pauses_are_iterated_over_in_order():
    pauses = Pauses(((1000, 0, 20), (3000, 2, 900)), cpu=5000, more=7)
    assert list(pauses) == [Pause(1000, 0, 20), Pause(3000, 2, 900)]
    assert len(pauses) == 2


@pytest.mark.parametrize("value", [EXAMPLE, Pauses(((1000, 0, 20),), 5000, 7), Pauses()])
def test_they_are_the_same_after_json(value):
    assert typed(type(value), json.loads(json.dumps(asdict(value)))) == value


def test_a_record_carries_them():
    found = record()
    drawn = replace(found.measurement, map=EXAMPLE, pauses=Pauses(((1000, 0, 20),), 5000, 7))
    found = replace(found, measurement=drawn)
    assert Record.from_dict(json.loads(json.dumps(found.to_dict()))) == found
