"""What a leak round found, among the containers of a traced one, and in advice."""

from dataclasses import replace
from pathlib import Path

import pytest
import records

from pytest_cowmem.explain.advice import proposals
from pytest_cowmem.explain.case import Case
from pytest_cowmem.explain.leak_round import Keeper
from pytest_cowmem.explain.leaks import with_leaks
from pytest_cowmem.model.explanation import Container, Explanation, Overlay

MIB = 2**20
ROOT = Path("/srv")
MODULES = {"shop", "shop.state", "shop.views"}
CARTS = Container("shop.views.CARTS", "shop.views", 1, 9, 5_000, "", 0)
ROWS = Container("shop.ROWS", "shop", 0, 200, 400_000, "shop/rows.py", 3)
LINES = Keeper(
    "shop.state.CARTS['a.b'].lines", "", 2, 62, "entries", 2.0, 160, "/srv/shop/cart.py", 9
)
GROWING_ROWS = Keeper("shop.ROWS", "shop.ROWS", 0, 60, "entries", 1.0, 100, "", 0)


def test_what_hangs_deep_comes_first_with_an_estimate_of_its_bytes():
    assert with_leaks([ROWS], [LINES], MODULES, ROOT) == (
        Container(LINES.name, "shop.state", 2, 62, 4_800, "shop/cart.py", 9, "entries", 2.0, 160),
        ROWS,
    )


def test_what_both_know_is_told_once_with_the_traced_bytes_under_the_plain_name():
    known = LINES._replace(name="shop.state.CARTS", traced="shop.views.CARTS")
    (carts,) = with_leaks([CARTS], [known], MODULES, ROOT)
    assert (carts.name, carts.module, carts.place) == (known.name, "shop.state", "shop/cart.py:9")
    assert (carts.before, carts.after, carts.bytes) == (1, 9, 5_000)
    assert (carts.a_request, carts.bytes_a_request) == (2, 160)


def test_what_c_code_holds_is_told_though_no_traced_round_sees_it():
    arrays = LINES._replace(traced="shop.views.CARTS", bytes=16_000)
    (carts,) = with_leaks([CARTS], [arrays], MODULES, ROOT)
    assert carts.bytes == 480_000


def test_the_line_of_a_traced_round_stands_where_nobody_saw_another():
    (rows,) = with_leaks([ROWS], [GROWING_ROWS], MODULES, ROOT)
    assert rows.place == ROWS.place


def test_what_leads_to_a_growing_one_keeps_the_rest():
    state = replace(CARTS, name="shop.state.CARTS")
    assert with_leaks([state], [LINES], MODULES, ROOT)[1:] == (replace(state, bytes=200),)
    assert with_leaks([replace(state, bytes=4_800)], [LINES], MODULES, ROOT)[1:] == ()
    other = replace(state, name="shop.state.CART")
    assert with_leaks([other], [LINES], MODULES, ROOT)[1:] == (other,)


def test_what_keeps_little_beside_it_or_lies_within_it_is_left_out():
    little = GROWING_ROWS._replace(bytes=15)
    within = LINES._replace(name=f"{LINES.name}[...].parts", bytes=150)
    assert len(with_leaks([], [LINES, little, within], MODULES, ROOT)) == 1
    assert len(with_leaks([], [LINES, little._replace(bytes=16)], MODULES, ROOT)) == 2
    assert with_leaks([ROWS], [LINES, little], MODULES, ROOT)[1:] == (ROWS,)


SEEN = Container(
    "shop.SEEN", "shop", 0, 100, MIB, "shop/views.py", 12, a_request=1.0, bytes_a_request=3_000
)
LEAK = Case(
    why=Explanation(
        measured={"private": 2 * MIB, "growth": 10_000},
        explained=2 * MIB,
        gone=0,
        tracer=0,
        unseen=0,
        lines=(),
        collections=(),
        imports=(),
        containers=(SEEN, replace(SEEN, name="shop.CACHE", a_request=0, bytes_a_request=0)),
        modules={},
        objects=Overlay(0, (), (), (), {}),
    ),
    requests=100,
    facts=replace(records.FACTS, gc_frozen=375),
    collects=True,
    warm=True,
)
BEHIND = "each request leaves 9.77 KiB behind, "


def case(**changes):
    return replace(LEAK, why=replace(LEAK.why, **changes))


SAID = [
    ((SEEN,), (), "kept in shop.SEEN, 1 entry a request, filled at shop/views.py:12"),
    (
        (replace(SEEN, path="", line=0, bound=1_024),),
        (),
        "kept in shop.SEEN, 1 entry a request; it seems bounded at 1,024 entries: "
        "make more requests than that",
    ),
    ((replace(SEEN, path="", line=0, bound=100),), (), "kept in shop.SEEN, 1 entry a request"),
    (
        (replace(SEEN, path="", line=0, a_request=2.5),),
        (),
        "kept in shop.SEEN, 2.5 entries a request",
    ),
    (
        (replace(SEEN, unit="bytes", a_request=1_234.5, path="", line=0),),
        (),
        "kept in shop.SEEN, 1,234 bytes a request",
    ),
    (
        (replace(SEEN, bytes_a_request=2_499), SEEN),
        (),
        "kept in shop.SEEN, 1 entry a request, filled at shop/views.py:12, and in 1 more container",
    ),
    (
        (replace(SEEN, bytes_a_request=2_499),),
        (("shop.Order", 1.0),),
        "2.44 KiB of it kept in shop.SEEN, 1 entry a request, filled at shop/views.py:12; "
        "where the rest is kept was not found",
    ),
    (
        (replace(SEEN, a_request=0),),
        (("shop.Order", 1.0), ("shop.Line", 2.25), ("shop.Part", 300.0), ("list", 4.0)),
        "where it is kept was not found; objects more after each: "
        "shop.Order 1, shop.Line 2.25, shop.Part 300",
    ),
    ((), (), "where it is kept was not found"),
]


@pytest.mark.parametrize(("containers", "more", "text"), SAID)
def test_a_leak_names_what_grows_with_requests_or_else_what_there_is_more_of(
    containers, more, text
):
    said = proposals(case(containers=containers, more=more))
    assert [it.text for it in said if it.rule == "leak"] == [BEHIND + text]


def test_what_grows_with_requests_is_no_cache_to_share():
    assert [(it.rule, it.text.split()[0]) for it in proposals(LEAK)] == [
        ("leak", "each"),
        ("share cache", "shop.CACHE"),
        ("share cache", "shop.SEEN"),  # only where the whole test before the fork wins it back
    ]
    assert [it.sure for it in proposals(LEAK)] == [True, True, False]


@pytest.mark.parametrize("growth", [0, 8])
def test_nothing_leaks_where_growth_says_so(growth):
    steady = case(measured={"private": 2 * MIB, "growth": growth})
    assert "leak" not in {it.rule for it in proposals(steady)}
