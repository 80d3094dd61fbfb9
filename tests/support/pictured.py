"""Runs made by hand, for pages of reports: records with memory maps, collections and policies."""

import random
from dataclasses import replace
from functools import cache
from typing import Any

from explained import EXPLANATION, KIB, red
from records import MIB, VALUES, record

from pytest_cowmem.model.cause import Cause, Shared
from pytest_cowmem.model.child import Child
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.memory_map import (
    ABSENT,
    COLLECTION,
    COUNTS,
    FRESH,
    READY,
    SHARED,
    MappedRegion,
    MemoryMap,
    Run,
)
from pytest_cowmem.model.pause import Pauses
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.record import Proof, Record
from pytest_cowmem.model.what_if import AS_CONFIGURED, Advised, Outcome

MODULES = ("shop.hooks", "shop.views", "flask", "")
MS = 10**6
OUTCOMES = (
    Outcome(AS_CONFIGURED, Policy(), VALUES, workers=92, lasting=28),
    Outcome("freeze", Policy(freeze=True), VALUES, {"private": -2 * MIB}, 110, 40),
    Outcome("gc off", Policy(), failed="the worker died"),
)


@cache
def memory_map(pages: int = 12_000, seed: int = 1) -> MemoryMap:
    """A map of so many pages, about a tenth of which are the worker's own, one here and there."""
    chance = random.Random(seed)
    arenas = []
    left = pages
    while left > 0:
        shared = min(left, 1 + int(chance.expovariate(1 / 16)))
        state = chance.choice((COUNTS, COUNTS, COLLECTION, FRESH))
        arenas += [Run(shared, SHARED), Run(1, state, chance.choice(MODULES))]
        left -= shared + 1
    return MemoryMap.of(
        4 * KIB,
        [
            MappedRegion("C heap", "", (Run(300, SHARED), Run(40, FRESH, "flask"))),
            MappedRegion("allocator", "", tuple(arenas)),
            MappedRegion("library data", "libcrypto.so.3", (Run(3, SHARED), Run(1, READY))),
            MappedRegion("mapped memory", "", (Run(40, SHARED),)),
            MappedRegion("stack", "", (Run(30, ABSENT), Run(2, SHARED), Run(3, READY))),
        ],
    )


@cache
def pauses(count: int = 60, seed: int = 1) -> Pauses:
    """Collections, every tenth of which is a full one."""
    chance, now, events = random.Random(seed), 0, []
    for number in range(1, count + 1):
        generation = 2 if number % 10 == 0 else number % 2
        now += chance.randrange(MS, 20 * MS)
        events.append((now, generation, (generation + 1) * chance.randrange(MS // 10, MS)))
    return Pauses(tuple(events), now + MS, 3)


def pictured(record: Record, pages: int = 12_000, seed: int = 1, **changes: Any) -> Record:
    """The record with a map, collections, and its private bytes over requests."""
    measurement = replace(
        record.measurement,
        ages=((1, 3 * MIB), (8, 4 * MIB), (16, 4 * MIB + 300 * KIB)),
        map=memory_map(pages, seed),
        pauses=pauses(seed=seed),
    )
    return replace(record, measurement=measurement, **changes)


def a_red_run() -> Document:
    """A run in which a test has all that a page shows."""
    traced = replace(EXPLANATION, map=memory_map(), gone=90 * KIB)
    worst = pictured(
        red("tests/test_feed.py::test_feed", explanation=traced),
        place="tests/test_feed.py:7",
        what_if=OUTCOMES,
        proofs=(Proof("kept", MIB, 2 * MIB, 2 * MIB, False),),
    )
    children = (Child("python -m convert", "starting", MIB),)
    worst = replace(worst, measurement=replace(worst.measurement, children=children))
    cause = Cause("line", "remember", "shop/hooks.py:9", 2 * MIB)
    like_it = red("tests/test_feed.py::test_more", by=MIB, explanation=None)
    return Document(
        records=(
            pictured(record("tests/test_a.py::test_small", {**VALUES, "private": 2 * MIB}), 3_000),
            worst,
            pictured(replace(like_it, shared=Shared(worst.test, cause), left_out=1)),
            pictured(record("tests/test_b.py::test_large", {**VALUES, "private": 9 * MIB})),
        ),
        failures=(Failure("tests/test_c.py::test_c", "AssertionError", "tests/test_c.py:3"),),
        unfit=("tests/test_d.py::test_d",),
        head=Commit("1" * 40, True),
        base=Commit("2" * 40),
        profiles=("linux-x",),
        stale=("tests/test_gone.py::test_gone",),
        advised=(Advised("shop:app", "shop:app", 28, OUTCOMES[1]),),
        explain=True,
    )


def hostile(text: str) -> Document:
    """A run in which all that comes from an app, a test or a machine holds this text."""
    line = replace(EXPLANATION.lines[0], path=text, function=text, module=text)
    traced = replace(
        EXPLANATION,
        lines=(replace(line, beside=((f"{text}:1 {text}", MIB),)),),
        modules={text: 3 * MIB},
        containers=tuple(replace(it, name=text, path=text) for it in EXPLANATION.containers),
        imports=tuple(replace(it, by=text, module=text, path=text) for it in EXPLANATION.imports),
        advice=tuple(replace(it, text=text) for it in EXPLANATION.advice),
        map=MemoryMap.of(4096, [MappedRegion(text, text, (Run(9, COUNTS, text),))]),
    )
    one = pictured(red(f"tests/test_x.py::{text}", explanation=traced, notes=(text,)), 9, app=text)
    measurement = replace(one.measurement, children=(Child(text, text, MIB),))
    return Document(
        records=(replace(one, measurement=measurement, place=text),),
        failures=(Failure(text, text, text),),
        unfit=(text,),
        broken=(text,),
        unmeasured=(text,),
        stale=(text,),
        baseline=text,
        profiles=(text,),
        refused=text,
        unreported=(text,),
        unverified=text,
        advised=(Advised(text, "shop:app", 3, OUTCOMES[1]),),
    )


def many(count: int) -> Document:
    """A run of so many tests, a tenth of them red and traced, all with a map and collections."""
    records = []
    for number in range(count):
        name = f"tests/test_area_{number // 20}.py::test_page_of_the_shop[{number}]"
        # Maps return after so many tests that a compressor does not see them again.
        seed = number % 20
        one = record(name)
        if number % 10 == 0:
            one = red(name, explanation=replace(EXPLANATION, map=memory_map(seed=seed)))
        records.append(pictured(one, seed=seed))
    return Document(records=tuple(records), explain=True)
