"""Each rule of advice: what it says of the case it is for, and that it is silent otherwise."""

from dataclasses import replace

import pytest
import records

from pytest_cowmem.explain.advice import RULES, proposals
from pytest_cowmem.explain.case import Accepted, Case, Proposal
from pytest_cowmem.explain.tried import settled, to_try
from pytest_cowmem.model.explanation import (
    Advice,
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
    Overlay,
    Resident,
)
from pytest_cowmem.model.policy import ALL, Policy

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
        modules={"shop.views": 3 * MIB // 2, "flask": MIB // 2},
        objects=OBJECTS,
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
    return [proposal.rule for proposal in proposals(case)]


DUE = Collections("shop/views.py", 3, "shop.views", 0, 8, KIB)
FULL = Collections("flask/app.py", 5, "flask.app", 2, 1, 3 * MIB - KIB)
COLLECTED = changed(QUIET, collections=(FULL, DUE))
LATE = changed(
    QUIET,
    imports=tuple(late_import(name, "asyncio", MIB) for name in ("asyncio", "ssl", "socket")),
)
LATE_TWICE = changed(
    QUIET,
    imports=(
        late_import("asyncio", "asyncio", MIB),
        late_import("ssl", "ssl", WORTH, number=11),
        late_import("zlib", "zlib", WORTH - 1, number=12),
    ),
)
LATE_IN_LIBRARY = changed(QUIET, imports=(LateImport("ssl", "ssl", "", 0, WORTH),))
COMPILED = changed(LATE, uncompiled=frozenset({"ssl"}))
ALL_COMPILED = changed(
    LATE,
    uncompiled=frozenset({"asyncio", "socket", "ssl", "email", "enum"}),
    imports=(*LATE.why.imports, late_import("email", "email", 9), late_import("enum", "email", 9)),
)
FIRST = changed(QUIET, {"first": 3 * MIB // 2})
READ = changed(QUIET, reader=line(7, 3 * MIB, copied=5 * MIB // 2), read=OBJECTS)
CACHE = Container("shop.views.CACHE", "shop.views", 1, 2_000, 3 * MIB, "shop/views.py", 12)
KEPT = changed(QUIET, containers=(CACHE,))
KEPT_SOMEWHERE = changed(QUIET, containers=(replace(CACHE, path="", line=0, bytes=WORTH),))
KEPT_TWICE = changed(QUIET, containers=(CACHE, replace(CACHE, name="shop.ROWS", line=13)))
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
LEAKED_TO = changed(QUIET, GROWING, containers=(SEEN,))
CALLED = Collections("shop/views.py", 9, "shop.views", 2, 4, MIB, called=True)
ASKED = changed(QUIET, collections=(CALLED, DUE))
IN_LIBRARY = replace(CALLED, path="", line=0, module="celery", generation=0, times=1, bytes=KIB)
ASKED_TWICE = changed(QUIET, collections=(CALLED, replace(CALLED, generation=1), IN_LIBRARY))
ENABLED = changed(QUIET, facts=OFF, turned_on="celery/worker.py:12")
ENABLED_SOMEWHERE = changed(QUIET, facts=OFF)
ENABLED_FOR_A_WHILE = changed(
    QUIET, facts=OFF, collects=False, collections=(replace(DUE, bytes=WORTH),)
)
THREADS = changed(QUIET, facts=replace(FACTS, threads=("poller",)))
MANY_THREADS = changed(QUIET, facts=replace(FACTS, threads=tuple("abcd")))

WHOLE = Policy(requests=ALL)
SAID = [
    (
        COLLECTED,
        "freeze",
        Policy(freeze=True),
        'call gc.freeze() before forking (gc="freeze" does so here): collections (9) wrote to '
        "3.00 MiB",
    ),
    (
        LATE,
        "preload",
        Policy(imports=("asyncio",)),
        "import asyncio before forking: every worker does so at shop/views.py:9",
    ),
    (
        LATE_TWICE,
        "preload",
        Policy(imports=("asyncio", "ssl")),
        "import asyncio and ssl before forking: every worker does so at shop/views.py:9 and "
        "shop/views.py:11",
    ),
    (
        LATE_IN_LIBRARY,
        "preload",
        Policy(imports=("ssl",)),
        "import ssl before forking: every worker does so",
    ),
    (
        COMPILED,
        "compile",
        None,
        "ssl is compiled in every worker that imports it, since no byte code is kept: "
        "compile before (python -m compileall), or import before forking",
    ),
    (
        ALL_COMPILED,
        "compile",
        None,
        "asyncio, ssl, socket and 2 more are compiled in every worker that imports it, since no "
        "byte code is kept: compile before (python -m compileall), or import before forking",
    ),
    (
        FIRST,
        "warm up",
        Policy(requests=1),
        "handle one request before forking (prepare= can): the first one takes 1.50 MiB and "
        "all others 512 KiB",
    ),
    (
        READ,
        "read less",
        None,
        "shop/views.py:7 reads or writes shared objects, which copied 2.50 MiB of pages: 50,000 "
        "objects of shop.wsgi lie there, and 20,000 of type dict; touch fewer, or keep what it "
        "needs in one array",
    ),
    (
        KEPT,
        "share cache",
        WHOLE,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker at shop/views.py:12, and "
        "keeps 3.00 MiB: bound it, or fill it before forking",
    ),
    (
        KEPT_SOMEWHERE,
        "share cache",
        WHOLE,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker, and "
        "keeps 128 KiB: bound it, or fill it before forking",
    ),
    (
        KEPT_TWICE,
        "share cache",
        WHOLE,
        "shop.views.CACHE grows from 1 to 2,000 entries in every worker at shop/views.py:12, and "
        "keeps 3.00 MiB; shop.ROWS grows from 1 to 2,000 entries in every worker at "
        "shop/views.py:13, and keeps 3.00 MiB: bound them, or fill them before forking",
    ),
    (
        LEAKED_TO,
        "share cache",
        WHOLE,
        "shop.views.SEEN grows from 0 to 1,000 entries in every worker at shop/views.py:12, and "
        "keeps 488 KiB: bound it, or fill it before forking",
    ),
    (
        LEAKED,
        "leak",
        None,
        "each request leaves 9.77 KiB behind, most of it new at shop/views.py:8",
    ),
    (
        LEAKED_TO,
        "leak",
        None,
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 1 entry a request, "
        "filled at shop/views.py:12",
    ),
    (
        changed(LEAKED_TO, containers=(replace(SEEN, name="shop.a", bytes_a_request=9), SEEN)),
        "leak",
        None,
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 1 entry a request, "
        "filled at shop/views.py:12, and in 1 more container",
    ),
    (
        changed(LEAKED_TO, containers=(replace(SEEN, path="", line=0),)),
        "leak",
        None,
        "each request leaves 9.77 KiB behind, kept in shop.views.SEEN, 1 entry a request",
    ),
    (
        changed(QUIET, GROWING, lines=(), collects=False),
        "leak",
        None,
        "each request leaves 9.77 KiB behind, where it is kept was not found",
    ),
    (
        changed(QUIET, GROWING, lines=(replace(line(8, MIB, late=MIB), path=""), line(9, MIB, 1))),
        "leak",
        None,
        "each request leaves 9.77 KiB behind, where it is kept was not found",
    ),
    (
        ASKED,
        "collect",
        None,
        "gc.collect() is called at shop/views.py:9, and wrote to 1.00 MiB in 4 collections: "
        "leave the call out",
    ),
    (
        ASKED_TWICE,
        "collect",
        None,
        "gc.collect() is called at shop/views.py:9 and in celery, and wrote to 2.00 MiB in 9 "
        "collections: leave the call out",
    ),
    (
        changed(
            QUIET,
            collections=(replace(IN_LIBRARY, module="runpy"),),
            accepted=Accepted(red=frozenset({"gc_collections"})),
        ),
        "collect",
        None,
        "gc.collect() is called by the test itself, and wrote to 1.00 KiB in 1 collection: "
        "leave the call out",
    ),
    (
        ENABLED,
        "collector",
        None,
        "celery/worker.py:12 turns the garbage collector on in the worker (gc.enable()), and the "
        "app forks with it off: leave that out, or call gc.disable() after it",
    ),
    (
        ENABLED_SOMEWHERE,
        "collector",
        None,
        "something turns the garbage collector on in the worker (gc.enable()), and the app forks "
        "with it off: look for gc.enable()",
    ),
    (
        ENABLED_FOR_A_WHILE,
        "collector",
        None,
        "something turns the garbage collector on in the worker (gc.enable()), and the app forks "
        "with it off: look for gc.enable()",
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


@pytest.mark.parametrize(("case", "rule", "policy", "text"), SAID)
def test_a_rule_says_what_to_do_and_what_would_show_its_worth(case, rule, policy, text):
    (proposal,) = [proposal for proposal in proposals(case) if proposal.rule == rule]
    assert (proposal.policy, proposal.text) == (policy, text)


def test_every_rule_is_tried_and_a_quiet_case_gets_no_advice():
    assert len({rule for _, rule, _, _ in SAID}) == len(RULES)
    assert proposals(QUIET) == []


SILENT = [
    changed(COLLECTED, facts=replace(FACTS, gc_frozen=1_000)),
    changed(QUIET, collections=(replace(FULL, bytes=WORTH - 1),)),
    changed(QUIET, imports=(late_import("zlib", "zlib", WORTH - 1),)),
    changed(
        QUIET,
        imports=(late_import("zlib", "zlib", WORTH - 1),),
        uncompiled=frozenset({"zlib", "ssl"}),
    ),
    changed(FIRST, requests=1),
    changed(QUIET, {"first": MIB}),
    changed(FIRST, {"private": WORTH - 1, "first": WORTH - 1}),
    without(FIRST, "first"),
    changed(QUIET, read=OBJECTS),
    changed(READ, reader=line(7, 3 * MIB, copied=WORTH - 1)),
    changed(READ, read=replace(OBJECTS, empty={"allocator": 690})),
    changed(READ, read=replace(OBJECTS, modules=(Resident("typing", MIB // 2, 600, 900),))),
    changed(READ, read=replace(OBJECTS, modules=(Resident("shop", 5 * MIB // 4, 600, 900),))),
    changed(READ, read=replace(OBJECTS, modules=())),
    changed(READ, accepted=Accepted({"shop.views": 3 * MIB // 2, "flask": MIB // 4})),
    changed(QUIET, containers=(replace(CACHE, bytes=WORTH - 1),)),
    changed(QUIET, {"growth": 8, "fresh": 10 * MIB}),
    without(LEAKED, "growth"),
    changed(LEAKED, warm=False),
    changed(ENABLED_SOMEWHERE, collects=False),
    changed(ENABLED_FOR_A_WHILE, collections=(replace(DUE, bytes=WORTH - 1),)),
    changed(ENABLED_FOR_A_WHILE, facts=replace(FACTS, gc_frozen=1_000)),
    changed(QUIET, collections=(replace(CALLED, bytes=WORTH - 1), DUE)),
    changed(QUIET, collections=(DUE,), accepted=Accepted(red=frozenset({"gc_pause"}))),
    changed(QUIET, collections=(IN_LIBRARY,), accepted=Accepted(red=frozenset({"private"}))),
]


@pytest.mark.parametrize("case", SILENT)
def test_a_rule_is_silent_where_it_does_not_apply(case):
    assert proposals(case) == []


def test_a_rule_speaks_from_its_bound_on():
    enough = changed(COLLECTED, collections=(replace(FULL, bytes=WORTH),))
    assert rules(changed(enough, facts=replace(FACTS, gc_frozen=999))) == ["freeze"]
    assert rules(changed(READ, reader=line(7, MIB, copied=WORTH))) == ["read less"]
    half = replace(OBJECTS, modules=(Resident("shop.wsgi", 5 * MIB // 4 + 1, 600, 900),))
    assert rules(changed(READ, read=half)) == ["read less"]
    assert rules(changed(FIRST, requests=2)) == ["warm up"]
    assert rules(changed(LEAKED, {"growth": 9})) == ["leak"]
    assert rules(changed(QUIET, collections=(replace(CALLED, bytes=WORTH),))) == ["collect"]


def test_collections_that_were_asked_for_are_no_reason_to_freeze():
    assert rules(changed(ASKED, {"gc_collections": 12, "gc_copied": 3 * MIB})) == ["collect"]
    both = changed(ASKED, collections=(CALLED, replace(FULL, bytes=WORTH)))
    assert rules(both) == ["collect", "freeze"]
    assert "collections (1) wrote to 128 KiB" in proposals(both)[1].text


def test_the_surest_comes_first():
    all_at_once = changed(
        LEAKED_TO,
        containers=(SEEN, CACHE),
        imports=LATE.why.imports,
        collections=(CALLED, FULL),
        facts=replace(OFF, threads=("poller",)),
        reader=READ.reader,
        read=READ.read,
    )
    assert rules(all_at_once) == [
        "leak",
        "preload",
        "share cache",
        "share cache",
        "collect",
        "read less",
        "freeze",
        "collector",
        "threads",
    ]


def test_what_grew_since_the_baseline_comes_before_the_surest():
    case = changed(
        COLLECTED,
        imports=LATE.why.imports,
        modules={"shop.views": 3 * MIB, "(collections)": 3 * MIB},
    )
    for module, first in (("shop.views", "preload"), ("(collections)", "freeze")):
        before = {**case.why.modules, module: 3 * MIB - 64 * KIB}
        assert rules(changed(case, accepted=Accepted(before)))[0] == first
        within = {**case.why.modules, module: 3 * MIB - 64 * KIB + 1}
        assert rules(changed(case, accepted=Accepted(within)))[0] == "preload"


def test_imports_that_the_baseline_has_too_are_not_advised_on_beside_new_ones():
    def imported(**modules):
        late = (*LATE_TWICE.why.imports, *LATE_IN_LIBRARY.why.imports)
        sizes = {"shop.views": 3 * MIB, "ssl": WORTH, "importlib": MIB}
        accepted = Accepted({**sizes, **modules} if modules else {})
        lines = line(9, MIB), line(11, MIB)
        case = changed(LATE, imports=late, lines=lines, modules=sizes, accepted=accepted)
        said = proposals(case)
        return [(one.policy.imports, "at shop/" in one.text) for one in said if one.policy]

    everything = [(("asyncio", "ssl"), False)]  # a library imports ssl as well
    assert imported() == imported(other=1) == everything
    assert imported(importlib=0) == imported(ssl=0) == [(("ssl",), False)]
    assert imported(**{"shop.views": MIB}) == [(("asyncio", "ssl"), True)]


def test_where_only_growth_is_red_advice_is_about_the_leak():
    case = changed(LEAKED_TO, imports=LATE.why.imports)
    assert rules(case) == ["leak", "preload", "share cache"]
    assert rules(changed(case, accepted=Accepted(red=frozenset({"growth"})))) == [
        "leak",
        "share cache",
    ]
    late = changed(LATE, accepted=Accepted(red=frozenset({"growth"})))
    assert rules(late) == ["preload"]  # there is no leak to tell of


def test_a_line_that_the_baseline_has_too_is_not_advised_on_when_something_else_grew():
    def with_baseline(**modules):
        return rules(changed(READ, accepted=Accepted(modules)))

    old = {"shop.views": 3 * MIB // 2}
    assert with_baseline() == ["read less"]
    assert with_baseline(**old, flask=MIB // 2) == ["read less"]
    assert with_baseline(flask=MIB // 2) == ["read less"]
    assert with_baseline(**old, flask=0) == []


def test_at_most_three_are_named():
    imports = tuple(late_import(name, name, MIB) for name in "abcd")
    (proposal,) = proposals(changed(QUIET, imports=imports))
    assert proposal.text.startswith("import a, b and c before forking")
    containers = tuple(replace(CACHE, name=name) for name in "wxyz")
    (proposal,) = proposals(changed(QUIET, containers=containers))
    assert [part[0] for part in proposal.text.split("; ")] == [*"wxy"]


def test_what_reading_copied_is_the_least_of_what_bounds_it():
    imported = (late_import("ssl", "ssl", MIB // 4, number=7),)
    bounds = [
        (changed(READ, imports=imported), "2.25 MiB"),
        (changed(READ, read=replace(OBJECTS, empty={"a": 200, "b": 100})), "1.56 MiB"),
    ]
    for case, size in bounds:
        (text,) = [said.text for said in proposals(case) if said.rule == "read less"]
        assert f"copied {size} of pages" in text


def test_what_a_late_module_holds_is_told_once():
    table = Container("asyncio.TABLE", "asyncio", 0, 100, 2 * MIB, "", 0)
    assert rules(changed(LATE, containers=(table,))) == ["preload"]
    assert rules(changed(LATE, containers=(replace(table, bytes=4 * MIB),))) == [
        "preload",
        "share cache",
    ]


def test_a_late_import_is_not_taken_for_reading():
    reader = line(9, 3 * MIB + 4096, copied=3 * MIB + 4096)
    assert rules(changed(LATE, reader=reader, read=OBJECTS)) == ["preload"]


IMPORTED, FROZEN, ONE = Policy(imports=("a",)), Policy(freeze=True), Policy(requests=1)
PRELOAD = Proposal("preload", "import a", policy=IMPORTED)
FREEZE = Proposal("freeze", "freeze", policy=FROZEN)
SHARE = Proposal("share cache", "fill C", policy=WHOLE, trying="tried whole")
LEAK = Proposal("leak", "kept in C")
NO_LEAK = replace(SHARE, sure=False, instead="leak", least=MIB)
WARM = Proposal("warm up", "serve one", policy=ONE, sure=False)


def advised(said, **found):
    """What is advised of 9 MiB, by rule, where these policies led to so many KiB."""
    policies = {"preload": IMPORTED, "freeze": FROZEN, "whole": WHOLE, "one": ONE}
    gains = {policies[name]: 9 * MIB - size * KIB for name, size in found.items()}
    return settled(said, 9 * MIB, gains)


def test_a_gain_is_said_where_it_was_measured_and_only_there():
    assert advised([PRELOAD, LEAK], preload=2 * 1024) == (
        Advice("preload", "import a; tried: private falls from 9.00 MiB to 2.00 MiB", 7 * MIB),
        Advice("leak", "kept in C", None),
    )
    assert advised([PRELOAD]) == (Advice("preload", "import a", None),)


WORDS = 2 * (9 * MIB // 100)  # what is worth a word of 9 MiB


def settled_at(said, gain):
    return settled(said, 9 * MIB, {IMPORTED: gain, FROZEN: gain})


def test_what_brings_less_than_is_worth_a_word_is_dropped_unless_it_is_all_there_is():
    found = {IMPORTED: WORDS - 1, FROZEN: 8 * MIB}
    assert settled([PRELOAD, FREEZE], 9 * MIB, found) == (
        Advice("freeze", "freeze; tried: private falls from 9.00 MiB to 1.00 MiB", 8 * MIB),
    )
    little = "import a; tried: that brings less than 184 KiB"
    assert settled_at([PRELOAD, FREEZE], WORDS - 1) == (Advice("preload", little, WORDS - 1),)
    assert [said.rule for said in settled_at([PRELOAD, FREEZE], WORDS)] == ["preload", "freeze"]
    least = replace(PRELOAD, least=MIB)
    assert [said.rule for said in settled_at([least, FREEZE], MIB - 1)] == ["freeze"]


def test_a_cache_that_is_in_vain_filled_before_the_fork_is_to_be_bounded():
    (proposed,) = [it for it in proposals(KEPT) if it.rule == "share cache"]
    grows, _, _ = proposed.text.partition(": bound it")
    text = f"{grows}: bound it; tried: to fill it before forking brings less than 184 KiB"
    (said,) = advised([proposed], whole=9 * 1024)
    assert said == Advice("share cache", text, 0, proposed.subjects)


def test_a_gain_that_layouts_may_blur_is_not_told_exactly():
    (said,) = settled_at([PRELOAD], 9 * MIB // 10 - 1)
    assert said.text == "import a; tried: private falls by less than 922 KiB"
    (said,) = settled_at([PRELOAD], 9 * MIB // 10)
    assert said.text == "import a; tried: private falls from 9.00 MiB to 8.10 MiB"
    for gain, end in ((512 * KIB - 1, "by less than 512 KiB"), (512 * KIB, "from 1.00 MiB to ")):
        (said,) = settled([PRELOAD], MIB, {IMPORTED: gain})
        assert f"tried: private falls {end}" in said.text


def said_rules(said, **found):
    return [advice.rule for advice in advised(said, **found)]


def test_warming_up_is_said_only_for_what_it_brings_besides_the_others():
    assert said_rules([WARM]) == []
    assert said_rules([WARM], one=9 * 1024) == []
    assert said_rules([WARM], one=8 * 1024) == ["warm up"]
    assert said_rules([PRELOAD, WARM], preload=8 * 1024, one=8 * 1024) == ["preload"]
    assert said_rules([PRELOAD, WARM], preload=8 * 1024, one=7 * 1024) == ["preload", "warm up"]
    assert said_rules([FREEZE, WARM], freeze=1024, one=8 * 1024) == ["freeze", "warm up"]
    assert said_rules([PRELOAD, SHARE], preload=2 * 1024, whole=2 * 1024) == ["preload"]


def test_what_can_be_filled_before_the_fork_is_no_leak():
    assert said_rules([LEAK, NO_LEAK], whole=8 * 1024) == ["share cache"]
    assert said_rules([LEAK, NO_LEAK], whole=8 * 1024 + 1) == ["leak"]
    assert said_rules([LEAK, NO_LEAK]) == ["leak"]
    late = {"preload": 3 * 1024, "whole": 2 * 1024 + 512}
    assert said_rules([LEAK, PRELOAD, NO_LEAK], **late) == ["leak", "preload"]


def test_a_cache_is_not_credited_with_what_else_was_warmed_up():
    kept = replace(SHARE, keeps=2 * MIB)
    (said,) = advised([kept], whole=5 * 1024)
    assert said.text == "fill C; tried whole: private falls from 9.00 MiB to 5.00 MiB"
    assert advised([kept], whole=5 * 1024 - 1) == (Advice("share cache", "fill C", None),)
    (said,) = advised([kept], whole=8 * 1024)
    assert said.gain == MIB
    assert advised([kept], whole=8 * 1024 + 1) == (Advice("share cache", "fill C", None),)
    preloaded = advised([PRELOAD, kept], preload=6 * 1024, whole=2 * 1024)
    assert [said.gain for said in preloaded] == [3 * MIB, 7 * MIB]
    assert [said.rule for said in advised([LEAK, replace(kept, instead="leak")], whole=0)] == [
        "share cache"
    ]


def test_a_cache_with_an_entry_a_request_is_compared_with_one_request_before_the_fork():
    def proposed(requests):
        return [it for it in proposals(changed(KEPT, requests=requests)) if it.policy == WHOLE]

    (kept,), (other,), (single,) = map(proposed, (2_000, 1_999, 1))
    assert (kept.beyond, other.beyond, single.beyond) == (None, ONE, None)
    assert to_try([other]) == [WHOLE, ONE]
    (said,) = advised([other], whole=5 * 1024, one=8 * 1024)
    assert said.gain == 4 * MIB
    for one in (6 * 1024, 5 * 1024):  # it keeps 3 MiB
        assert advised([other], whole=5 * 1024, one=one) == (
            Advice("share cache", other.text, None, other.subjects),
        )


def test_at_most_three_policies_are_tried_each_once():
    assert to_try([LEAK, PRELOAD, SHARE, NO_LEAK, FREEZE, WARM]) == [
        IMPORTED,
        WHOLE,
        FROZEN,
    ]
    assert to_try([LEAK]) == []
