"""Each rule of advice: what it says of the case it is for, and that it is silent otherwise."""

from dataclasses import replace

import pytest
import records

from pytest_cowmem.explain.advice import RULES, Case, advise
from pytest_cowmem.model.explanation import (
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
    Overlay,
    Resident,
)

KIB, MIB = 2**10, 2**20
WORTH = 128 * KIB
OBJECTS = Overlay(
    700,
    (Resident("shop.wsgi", 2 * MIB, 600, 50_000),),
    (Resident("dict", MIB, 600, 20_000),),
    (),
    {},
)


def line(number, size, late=0, copied=0):
    return Line("shop/views.py", number, "view", "shop.views", size, late, copied, 0, ())


def late_import(module, by, size, number=9):
    return LateImport(module, by, "shop/views.py", number, size)


FACTS = replace(records.FACTS, gc_frozen=375)
OFF = replace(FACTS, gc_enabled=False)
QUIET = Case(
    why=Explanation(
        measured={
            "private": 2 * MIB,
            "copied": MIB,
            "fresh": MIB,
            "first": MIB // 4,
            "gc_collections": 0,
            "gc_collections_2": 0,
            "gc_copied": 0,
            "growth": 0,
        },
        explained=2 * MIB,
        gone=0,
        tracer=30_000,
        unseen=0,
        lines=(line(7, MIB), line(8, MIB // 2)),
        collections=(),
        imports=(),
        containers=(),
        modules={},
        objects=Overlay(0, (), (), (), {}),
    ),
    requests=100,
    facts=FACTS,
    collects=True,
    warm=True,
)


def changed(case, measured=None, **changes):
    """A case with other measured values, other fields of its own, and others of its explanation."""
    own = {name: changes.pop(name) for name in {*vars(case)} & {*changes}}
    values = {**case.why.measured, **(measured or {})}
    return replace(case, why=replace(case.why, measured=values, **changes), **own)


def without(case, *metrics):
    """A case in which these metrics could not be measured."""
    values = {name: value for name, value in case.why.measured.items() if name not in metrics}
    return replace(case, why=replace(case.why, measured=values))


def rules(case):
    return [advice.rule for advice in advise(case)]


COLLECTED = changed(QUIET, {"gc_collections": 9, "gc_copied": 3 * MIB})
LATE = changed(
    QUIET,
    imports=tuple(late_import(name, "asyncio", MIB) for name in ("asyncio", "ssl", "socket")),
)
LATE_IN_LIBRARY = changed(QUIET, imports=(LateImport("ssl", "ssl", "", 0, WORTH),))
SMALL = {
    "imports": (late_import("zlib", "zlib", 60_000), late_import("ssl", "ssl", 60_000)),
    "containers": (
        Container("re.cache_0", "re", 0, 9, 30_000, "", 0),
        Container("re.cache_1", "re", 0, 9, 30_000, "", 0),
    ),
}
FIRST = changed(QUIET, {"first": 3 * MIB // 2}, **SMALL)
COPIED = 5 * MIB // 2
READ = changed(
    QUIET,
    {"fresh": MIB // 2, "copied": 3 * MIB, "private": 3 * MIB},
    lines=(line(7, 3 * MIB, copied=COPIED),),
    objects=OBJECTS,
)
CACHE = Container("shop.views.CACHE", "shop.views", 1, 2_000, 3 * MIB, "shop/views.py", 12)
KEPT = changed(QUIET, containers=(CACHE,))
KEPT_SOMEWHERE = changed(QUIET, containers=(replace(CACHE, path="", line=0, bytes=WORTH),))
GROWING = {"growth": 10_000}
LEAKED = changed(QUIET, GROWING, lines=(line(7, 0), line(8, MIB, late=500_001)))
SEEN = Container(
    "shop.views.SEEN",
    "shop.views",
    0,
    1_000,
    500_001,
    "shop/views.py",
    12,
    a_request=1.0,
    bytes_a_request=5_000,
)
LEAKED_TO = changed(QUIET, GROWING, containers=(replace(SEEN, bytes=WORTH), SEEN))
MOST = (
    Collections("shop/views.py", 9, "shop.views", 2, 1, MIB),
    Collections("shop/views.py", 3, "shop.views", 0, 1, KIB),
)
ENABLED = changed(QUIET, facts=OFF, collections=MOST)
CALLED = changed(
    QUIET,
    {"gc_collections": 9, "gc_collections_2": 9, "gc_copied": 3 * MIB},
    facts=replace(OFF, gc_frozen=50_000),
    collects=False,
    collections=MOST,
)
UNCLEAR = changed(CALLED, {"gc_collections_2": 3}, collections=(replace(MOST[0], path="", line=0),))
THREADS = changed(QUIET, facts=replace(FACTS, threads=("poller",)))
MANY_THREADS = changed(QUIET, facts=replace(FACTS, threads=tuple("abcd")))

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
        LATE_IN_LIBRARY,
        "preload",
        WORTH,
        "import ssl before forking: every worker does so, 128 KiB",
    ),
    (
        FIRST,
        "warm up",
        180_000,
        "handle one request before forking (prepare= can): the first one takes 1.50 MiB and "
        "all others 512 KiB, and what is imported and cached on the way, up to 176 KiB, "
        "would be shared",
    ),
    (
        READ,
        "read less",
        COPIED,
        "shop/views.py:7 reads or writes shared objects on about 2.50 MiB of pages: 50,000 objects "
        "of shop.wsgi lie on the copied pages, and 20,000 of type dict; touch fewer, or keep what "
        "it needs in one array",
    ),
    (
        KEPT,
        "share cache",
        3 * MIB,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker at shop/views.py:12, and "
        "keeps 3.00 MiB: bound it, or fill it before forking",
    ),
    (
        KEPT_SOMEWHERE,
        "share cache",
        WORTH,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker, and "
        "keeps 128 KiB: bound it, or fill it before forking",
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
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 1 entry a request, "
        "filled at shop/views.py:12",
    ),
    (
        changed(LEAKED_TO, containers=(replace(SEEN, path="", line=0),)),
        "leak",
        1_000_000,
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 1 entry a request",
    ),
    (
        changed(QUIET, GROWING, lines=(), collects=False),
        "leak",
        1_000_000,
        "each request leaves 9.77 KiB behind, where it is kept was not found",
    ),
    (
        changed(QUIET, GROWING, lines=(replace(line(8, MIB, late=MIB), path=""), line(9, MIB, 1))),
        "leak",
        1_000_000,
        "each request leaves 9.77 KiB behind, where it is kept was not found",
    ),
    (
        ENABLED,
        "collector",
        0,
        "something turned the garbage collector on in the worker, and the app forks with it off "
        "(most was copied at shop/views.py:9): look for gc.enable()",
    ),
    (
        CALLED,
        "collector",
        3 * MIB,
        "gc.collect() is called in the worker, and the app forks with the garbage collector off "
        "(most was copied at shop/views.py:9): leave the call out",
    ),
    (
        UNCLEAR,
        "collector",
        3 * MIB,
        "collections ran, and the garbage collector is off at the fork and at the end: "
        "look for gc.collect() and gc.enable()",
    ),
    (
        THREADS,
        "threads",
        None,
        "threads are alive in the master at the fork and missing in its workers (poller): "
        "start them in after_fork, or as the server's post_fork hook does",
    ),
    (
        MANY_THREADS,
        "threads",
        None,
        "threads are alive in the master at the fork and missing in its workers (a, b, c): "
        "start them in after_fork, or as the server's post_fork hook does",
    ),
]


@pytest.mark.parametrize(("case", "rule", "gain", "text"), SAID)
def test_a_rule_says_what_to_do_and_what_it_cost(case, rule, gain, text):
    (advice,) = [advice for advice in advise(case) if advice.rule == rule]
    assert (advice.gain, advice.text) == (gain, text)


def test_every_rule_is_tried_and_a_quiet_case_gets_no_advice():
    assert len({rule for _, rule, _, _ in SAID}) == len(RULES)
    assert advise(QUIET) == ()


SILENT = [
    changed(COLLECTED, facts=replace(FACTS, gc_frozen=1_000)),
    changed(QUIET, {"gc_copied": WORTH - 1}),
    changed(QUIET, imports=(late_import("zlib", "zlib", WORTH - 1),)),
    changed(FIRST, requests=1),
    changed(QUIET, {"first": 3 * MIB // 2}),
    changed(QUIET, {"first": MIB}, **SMALL),
    changed(FIRST, imports=()),
    without(FIRST, "first"),
    changed(QUIET, lines=(line(7, MIB, copied=WORTH - 1),), objects=OBJECTS),
    changed(
        READ,
        lines=(line(7, 3 * MIB, copied=WORTH + 99_999),),
        imports=(late_import("ssl", "ssl", 100_000, number=7),),
    ),
    changed(READ, objects=replace(OBJECTS, empty={"allocator": 690})),
    changed(
        READ,
        objects=replace(OBJECTS, modules=(Resident("typing", MIB // 2, 600, 900),)),
    ),
    changed(
        READ,
        objects=replace(OBJECTS, modules=(Resident("shop.wsgi", 5 * MIB // 4, 600, 900),)),
    ),
    changed(READ, objects=replace(OBJECTS, modules=())),
    changed(READ, lines=(replace(line(7, 3 * MIB, copied=COPIED), path=""),)),
    changed(QUIET, containers=(replace(CACHE, bytes=WORTH - 1),)),
    changed(QUIET, {"growth": 8, "fresh": 10 * MIB}),
    without(LEAKED, "growth"),
    changed(LEAKED, warm=False),
    changed(ENABLED, collects=False),
    changed(CALLED, {"gc_copied": WORTH - 1}),
    changed(CALLED, facts=replace(FACTS, gc_frozen=50_000)),
]


@pytest.mark.parametrize("case", SILENT)
def test_a_rule_is_silent_where_it_does_not_apply(case):
    assert advise(case) == ()


def test_a_rule_speaks_from_its_bound_on():
    assert rules(changed(COLLECTED, {"gc_copied": WORTH}, facts=replace(FACTS, gc_frozen=999))) == [
        "freeze"
    ]
    assert rules(changed(CALLED, {"gc_copied": WORTH})) == ["collector"]
    few = replace(OBJECTS, modules=(Resident("shop.wsgi", WORTH, 600, 50_000),))
    assert rules(changed(READ, lines=(line(7, MIB, copied=WORTH),), objects=few)) == ["read less"]
    half = replace(OBJECTS, modules=(Resident("shop.wsgi", 5 * MIB // 4 + 1, 600, 900),))
    assert rules(changed(READ, objects=half)) == ["read less"]
    assert rules(changed(FIRST, requests=2)) == ["warm up"]
    assert rules(changed(LEAKED, {"growth": 9})) == ["leak"]


def test_the_surest_comes_first():
    all_at_once = changed(
        LEAKED_TO,
        {"gc_copied": MIB // 2},
        containers=(SEEN, CACHE),
        imports=LATE.why.imports,
        facts=replace(OFF, threads=("poller",)),
    )
    assert rules(all_at_once) == [
        "leak",
        "share cache",
        "preload",
        "freeze",
        "collector",
        "threads",
    ]


def test_at_most_three_are_named():
    imports = tuple(late_import(name, name, MIB) for name in "abcd")
    assert [advice.text[:8] for advice in advise(changed(QUIET, imports=imports))] == [
        "import a",
        "import b",
        "import c",
    ]
    containers = tuple(replace(CACHE, name=name) for name in "abcd")
    assert [advice.text[0] for advice in advise(changed(QUIET, containers=containers))] == [*"abc"]


def test_what_reading_copied_is_the_least_of_what_bounds_it():
    imported = (late_import("ssl", "ssl", MIB // 4, number=7),)
    bounds = [
        (READ, COPIED),
        (changed(READ, imports=imported, objects=OBJECTS), 9 * MIB // 4),
        (changed(READ, objects=replace(OBJECTS, empty={"a": 200, "b": 100})), 400 * 4096),
    ]
    for case, size in bounds:
        assert [advice.gain for advice in advise(case) if advice.rule == "read less"] == [size]


def test_what_another_rule_names_is_no_reason_to_warm_up():
    late_and_kept = changed(
        QUIET,
        {"first": 3 * MIB // 2},
        imports=LATE.why.imports,
        containers=KEPT.why.containers,
    )
    assert rules(late_and_kept) == ["share cache", "preload"]
    assert rules(changed(LEAKED_TO, {"first": 3 * MIB // 2}, containers=(SEEN,))) == ["leak"]


def test_warming_up_gains_no_more_than_the_first_request_took():
    case = changed(FIRST, {"private": 140_000, "first": 140_000}, explained=0)
    (advice,) = advise(case)
    assert (advice.rule, advice.gain) == ("warm up", 140_000)


def test_what_a_late_module_holds_is_told_once():
    table = Container("asyncio.TABLE", "asyncio", 0, 100, 2 * MIB, "", 0)
    assert rules(changed(LATE, containers=(table,))) == ["preload"]
    assert rules(changed(LATE, containers=(replace(table, bytes=4 * MIB),))) == [
        "share cache",
        "preload",
    ]


def test_what_a_late_module_holds_is_no_reason_to_warm_up():
    table = Container("zlib.TABLE", "zlib", 0, 100, 60_000, "", 0)
    case = changed(FIRST, containers=(table,))
    assert advise(case) == ()


def test_an_import_that_led_to_lines_all_over_gets_one_piece_of_advice():
    imports = tuple(
        late_import(name, "tables", 100_000) for name in ("tables", "tables.rows", "decimal")
    )
    advice = advise(changed(QUIET, imports=imports))
    assert [(said.rule, said.gain) for said in advice] == [("preload", 300_000)]


def test_one_container_gets_one_diagnosis():
    assert rules(changed(LEAKED_TO, containers=(SEEN,))) == ["leak"]


def test_a_late_import_is_not_taken_for_reading():
    case = changed(LATE, lines=(line(9, 3 * MIB, copied=3 * MIB),), objects=OBJECTS)
    assert rules(case) == ["preload"]
