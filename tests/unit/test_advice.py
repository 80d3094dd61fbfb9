"""Each rule of advice: what it says of the case it is for, and that it is silent otherwise."""

from collections import Counter
from dataclasses import replace

import pytest

from pytest_cowmem.explain.advice import RULES, Case, advise
from pytest_cowmem.explain.explanation import Collections, Container, Explanation, Line
from pytest_cowmem.explain.imports import LateImport
from pytest_cowmem.explain.overlay import Overlay, Resident

MIB = 2**20
NOTHING_ON_PAGES = Overlay(0, (), (), (), {})
OBJECTS = Overlay(
    700,
    (Resident("shop.wsgi", 2 * MIB, 600, 50_000),),
    (Resident("dict", MIB, 600, 20_000),),
    (),
    {},
)


def line(number, size, late=0):
    return Line("shop/views.py", number, "view", "shop.views", size, late, ())


FACTS = {"gc_enabled": True, "gc_frozen": 375, "threads": []}
OFF = {**FACTS, "gc_enabled": False}
QUIET = Case(
    why=Explanation(
        private=2 * MIB,
        copied=MIB,
        fresh=MIB,
        by_collections=0,
        first=MIB // 4,
        explained=2 * MIB,
        tracer=30_000,
        unseen=0,
        lines=(line(7, MIB), line(8, MIB // 2)),
        collections=(),
        imports=(),
        containers=(),
        modules={},
        objects=NOTHING_ON_PAGES,
    ),
    values={
        "first": MIB // 4,
        "gc_collections": 0,
        "gc_collections_2": 0,
        "gc_copied": 0,
        "growth": 0,
    },
    requests=100,
    facts=FACTS,
    collects=True,
    warm=True,
)


def case(values=None, why=None, **changes):
    return replace(
        QUIET,
        values={**QUIET.values, **(values or {})},
        why=replace(QUIET.why, **(why or {})),
        **changes,
    )


COLLECTED = case({"gc_collections": 9, "gc_copied": 3 * MIB})
LATE = case(
    why={
        "imports": tuple(
            LateImport(name, "asyncio", "shop/views.py", 9, MIB)
            for name in ("asyncio", "ssl", "socket")
        )
    }
)
SMALL = {
    "imports": tuple(
        LateImport(name, name, "shop/views.py", 9, 60_000) for name in ("zlib", "ssl")
    ),
    "containers": tuple(
        Container(f"re.cache_{number}", "re", 0, 9, 30_000, "", 0) for number in range(2)
    ),
}
FIRST = case({"first": 3 * MIB // 2}, why=SMALL)
READ = case(
    why={
        "lines": (line(7, 3 * MIB),),
        "objects": OBJECTS,
        "fresh": MIB // 2,
        "copied": 3 * MIB,
        "private": 3 * MIB,
    }
)
KEPT = case(
    why={
        "containers": (
            Container("shop.views.CACHE", "shop.views", 1, 2_000, 3 * MIB, "shop/views.py", 12),
        )
    }
)
LEAKED = case({"growth": 10_000}, why={"lines": (line(7, 0), line(8, MIB, late=MIB - 10_000))})
LEAKED_TO = case(
    {"growth": 10_000},
    why={
        "containers": (
            Container("shop.views.SEEN", "shop.views", 0, 100, MIB, "shop/views.py", 12),
        )
    },
)
ENABLED = case(
    facts=OFF, why={"collections": (Collections("shop/views.py", 9, "shop.views", 2, 1, MIB),)}
)
CALLED = replace(
    ENABLED,
    collects=False,
    values={**COLLECTED.values, "gc_collections_2": 9},
    facts={**OFF, "gc_frozen": 50_000},
)
THREADS = case(facts={**FACTS, "threads": ["poller"]})

SAID = [
    (
        COLLECTED,
        "freeze",
        3 * MIB,
        'call gc.freeze() before forking (gc="freeze" tries it): collections (9) wrote to 3.00 MiB',
    ),
    (
        LATE,
        "preload",
        3 * MIB,
        "import asyncio before forking: every worker does so at shop/views.py:9, 3.00 MiB",
    ),
    (
        FIRST,
        "warm up",
        180_000,
        "handle one request before forking (prepare= can): the first one takes 1.50 MiB and all others 512 KiB, and what is imported",
    ),
    (
        READ,
        "read less",
        5 * MIB // 2,
        "shop/views.py:7 reads or writes shared objects on about 2.50 MiB of pages: 50,000 objects of shop.wsgi",
    ),
    (
        KEPT,
        "share cache",
        3 * MIB,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker at shop/views.py:12, and keeps 3.00 MiB",
    ),
    (
        LEAKED,
        "leak",
        1_000_000,
        "each request leaves 9.77 KiB behind, most of it new at shop/views.py:8",
    ),
    (
        LEAKED_TO,
        "leak",
        1_000_000,
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 0 -> 100 entries, filled at shop/views.py:12",
    ),
    (
        ENABLED,
        "collector",
        0,
        "something turned the garbage collector on in the worker, and the app forks with it off (most was copied at",
    ),
    (
        CALLED,
        "collector",
        3 * MIB,
        "gc.collect() is called in the worker, and the app forks with the garbage collector off (most was copied at ",
    ),
    (
        THREADS,
        "threads",
        None,
        "threads are alive in the master at the fork and missing in its workers (poller)",
    ),
]


@pytest.mark.parametrize(("found", "rule", "gain", "text"), SAID)
def test_a_rule_says_what_to_do_and_what_it_cost(found, rule, gain, text):
    (advice,) = [advice for advice in advise(found) if advice.rule == rule]
    assert (advice.gain, advice.text[: len(text)]) == (gain, text)


def test_every_rule_is_tried_and_a_quiet_case_gets_no_advice():
    assert len({rule for _, rule, _, _ in SAID}) == len(RULES)
    assert advise(QUIET) == ()


SILENT = [
    replace(COLLECTED, facts={**FACTS, "gc_frozen": 50_000}),
    case({"gc_copied": 100_000}),
    case(why={"imports": (LateImport("zlib", "zlib", "shop/views.py", 9, 4096),)}),
    replace(FIRST, requests=1),
    replace(FIRST, why=replace(FIRST.why, explained=4 * MIB)),
    case({"first": 3 * MIB // 2}),
    case({"first": MIB // 2}, why=SMALL),
    case(why={"lines": (line(7, MIB),), "objects": OBJECTS}),
    case(
        why={
            "lines": (line(7, 3 * MIB),),
            "objects": OBJECTS,
            "imports": (LateImport("ssl", "ssl", "shop/views.py", 7, 100_000),),
            "fresh": 3 * MIB,
        }
    ),
    case(
        why={
            "containers": (
                Container("shop.views.CACHE", "shop.views", 1, 2, 100_000, "shop/views.py", 12),
            )
        }
    ),
    case({"growth": 60}, why={"fresh": 10 * MIB}),
    replace(LEAKED, why=replace(LEAKED.why, fresh=400_000)),
    replace(LEAKED, warm=False),
    case(facts=OFF, collects=False),
    case(
        {"gc_collections": 1, "gc_collections_2": 1, "gc_copied": 90_000}, facts=OFF, collects=False
    ),
    replace(READ, why=replace(READ.why, objects=replace(OBJECTS, empty={"allocator": 690}))),
    replace(
        READ,
        why=replace(
            READ.why, objects=replace(OBJECTS, modules=(Resident("typing", MIB // 2, 600, 900),))
        ),
    ),
    replace(READ, why=replace(READ.why, containers=SMALL["containers"], fresh=3 * MIB)),
]


@pytest.mark.parametrize("found", SILENT)
def test_a_rule_is_silent_where_it_does_not_apply(found):
    assert advise(found) == ()


def test_what_another_rule_names_is_no_reason_to_warm_up():
    found = case(
        {"first": 3 * MIB // 2},
        why={"imports": LATE.why.imports, "containers": KEPT.why.containers},
    )
    assert Counter(advice.rule for advice in advise(found)) == {"preload": 1, "share cache": 1}
    assert [
        advice.rule
        for advice in advise(replace(LEAKED_TO, values={**LEAKED_TO.values, "first": 3 * MIB // 2}))
    ] == ["leak"]


def test_what_a_late_module_holds_is_told_once():
    table = Container("asyncio.TABLE", "asyncio", 0, 100, 2 * MIB, "", 0)
    assert [
        advice.rule for advice in advise(replace(LATE, why=replace(LATE.why, containers=(table,))))
    ] == ["preload"]
    filled = replace(table, bytes=4 * MIB)
    assert [
        advice.rule for advice in advise(replace(LATE, why=replace(LATE.why, containers=(filled,))))
    ] == ["share cache", "preload"]


def test_collections_with_the_collector_off_at_both_ends_are_told_without_a_guess():
    found = replace(CALLED, values={**CALLED.values, "gc_collections_2": 3})
    assert "look for gc.collect() and gc.enable()" in next(
        advice.text for advice in advise(found) if advice.rule == "collector"
    )


def test_an_import_that_led_to_lines_all_over_gets_one_piece_of_advice():
    imports = tuple(
        LateImport(name, "tables", "shop/views.py", 9, 100_000)
        for name in ("tables", "tables.rows", "decimal")
    )
    assert [(advice.rule, advice.gain) for advice in advise(case(why={"imports": imports}))] == [
        ("preload", 300_000)
    ]


def test_one_container_gets_one_diagnosis():
    assert [advice.rule for advice in advise(LEAKED_TO)] == ["leak"]


def test_a_leak_without_a_place_says_so_and_that_it_may_be_garbage():
    found = case({"growth": 10_000}, why={"lines": (line(7, 0),)}, collects=False)
    assert advise(found)[0].text.endswith(
        "where it is kept was not found; the collector is off, so it can be cyclic garbage"
    )


def test_memory_that_comes_and_goes_is_not_taken_for_reading():
    temporary = {
        "lines": (line(7, 3 * MIB),),
        "objects": OBJECTS,
        "fresh": MIB // 2,
        "copied": 3 * MIB,
    }
    assert advise(case({"returned": 5 * MIB // 2}, why=temporary)) == ()
    assert advise(case(why={**temporary, "explained": 4 * MIB})) == ()


def test_a_late_import_is_not_taken_for_reading():
    found = replace(
        LATE, why=replace(LATE.why, lines=(line(9, 3 * MIB + 4096),), fresh=4096, objects=OBJECTS)
    )
    assert [advice.rule for advice in advise(found)] == ["preload"]
