"""What a traced round told becomes an explanation: rows summed, modules named, values kept."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import records

from pytest_cowmem.explain.advice import proposals
from pytest_cowmem.explain.bymodule import by_module, home
from pytest_cowmem.explain.case import Accepted, Case
from pytest_cowmem.explain.imports import late_imports
from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.places import ZYGOTE_SIDE
from pytest_cowmem.explain.rows import Account, Growth, Importing, Place, Row, Trace, reading
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import (
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
    Overlay,
    Resident,
    by_statement,
)
from pytest_cowmem.model.typed import typed
from pytest_cowmem.zygote.trace.faults import CALLED

ROOT = Path("/srv")
VIEWS, FLASK = "/srv/shop/views.py", "/usr/lib/python3/dist-packages/flask/app.py"
TABLES = "/srv/shop/tables.py"
FILES = {VIEWS: "shop.views", FLASK: "flask.app", TABLES: "shop.tables"}
VIEW = (VIEWS, 7, "view")
NO_APP = NO_LIBRARY = (None, 0, "")

PLUGIN = f"{ZYGOTE_SIDE}wire.py"

# As zygote/trace/lines.py tells them: row, collection, whether late, faults, and the place.
TOLD: dict[str, Any] = {
    "rows": [
        (1, 0, False, 290, *VIEW, FLASK, 20, "run", None),
        (2, 0, True, 10, *VIEW, FLASK, 20, "run", None),
        (3, 0, False, 79, *VIEW, *NO_LIBRARY, None),
        (4, 0, True, 1, *VIEW, *NO_LIBRARY, None),
        (5, 0, False, 60, *VIEW, FLASK, 10, "call", None),
        (6, 0, False, 47, *NO_APP, FLASK, 10, "call", None),
        (7, 0, True, 3, *NO_APP, FLASK, 10, "call", None),
        (8, 0, True, 2, *VIEW, FLASK, 20, "run", ("shop.tables", "shop.tables")),
        (9, 0, False, 18, *VIEW, FLASK, 20, "run", ("shop.tables", "shop.tables")),
        (10, 0, False, 20, TABLES, 3, "fill", *NO_LIBRARY, None),
        (11, 0, False, 9, *NO_APP, "<frozen importlib._bootstrap>", 5, "load", None),
        (12, 0, False, 8, *NO_APP, *NO_LIBRARY, None),
        (13, 0, False, 7, "/srv/shop/new.py", 1, "f", *NO_LIBRARY, None),
        (14, 0, False, 6, *NO_APP, "/usr/lib/python3.11/json/decoder.py", 5, "load", None),
        (15, 3, False, 40, *VIEW, FLASK, 10, "call", None),
        (16, 1, True, 29, *NO_APP, FLASK, 10, "call", None),
        (20, CALLED + 1, True, 0, *NO_APP, FLASK, 10, "call", None),
        (17, 1, True, 1, *NO_APP, FLASK, 10, "call", None),
        (18, 0, False, 30, *VIEW, *NO_LIBRARY, None),  # came and went
        (19, 0, False, 2, *NO_APP, PLUGIN, 41, "send", None),
    ],
    "files": FILES,
    "collects": True,
    "unseen": 5,
    "turned_on": (FLASK, 33),
    "uncompiled": ["shop.tables"],
}
PRIVATE = Counter({row[0]: row[3] for row in TOLD["rows"]}) - Counter({18: 30})
COPIED = Counter({1: 290, 3: 9, 15: 40, 13: 7})
OBJECTS = Overlay(9, (Resident("shop", 5, 1, 2),), (Resident("str", 5, 1, 2),), (), {"stack": 8})
TRACE = Trace(
    requests=30,
    warm=10,
    charged=Account.of(TOLD, PRIVATE, COPIED, left=16),
    objects=OBJECTS,
    containers={
        "shop.views.SMALL": Growth(0, 4, PAGE, "", 0),
        "shop.tables.ROWS.inner": Growth(1, 9, 70 * PAGE, TABLES, 4),
        "shop.views.NOTHING_NEW": Growth(3, 4, 0, VIEWS, 8),
    },
    loaded=frozenset({"shop", "shop.views"}),
    reader=Place(*VIEW, *NO_LIBRARY, None),
    read=OBJECTS,
)
MEASURED = {"private": 600 * PAGE, "first": 9, "fresh": 4, "copied": 6, "gc_copied": 2}
FACTS = replace(records.FACTS, gc_frozen=375, threads=("poller",))


@pytest.fixture
def why():
    return make(TRACE, MEASURED, ROOT)


def test_rows_of_one_line_are_one_with_libraries_beside(why):
    assert why.lines == (
        Line(
            "shop/views.py",
            7,
            "view",
            "shop.views",
            460 * PAGE,
            13 * PAGE,
            299 * PAGE,
            30 * PAGE,
            (("flask/app.py:20 run", 320 * PAGE), ("flask/app.py:10 call", 60 * PAGE)),
        ),
        Line("", 0, "", "flask", 50 * PAGE, 3 * PAGE, 0, 0, (("flask/app.py:10 call", 50 * PAGE),)),
        Line("shop/tables.py", 3, "fill", "shop.tables", 20 * PAGE, 0, 0, 0, ()),
        Line(
            "",
            0,
            "",
            "importlib",
            9 * PAGE,
            0,
            0,
            0,
            (("<frozen importlib._bootstrap>:5 load", 9 * PAGE),),
        ),
        Line("", 0, "", "no line of the app", 8 * PAGE, 0, 0, 0, ()),
        Line("shop/new.py", 1, "f", "shop/new.py", 7 * PAGE, 0, 7 * PAGE, 0, ()),
        Line("", 0, "", "json/decoder", 6 * PAGE, 0, 0, 0, (("json/decoder.py:5 load", 6 * PAGE),)),
    )


def test_collections_are_at_their_lines(why):
    assert why.collections == (
        Collections("shop/views.py", 7, "shop.views", 2, 1, 40 * PAGE),
        Collections("", 0, "flask", 0, 2, 30 * PAGE),
        Collections("", 0, "flask", 0, 1, 0, called=True),
    )
    nowhere = "no line of the app"
    assert [part.place for part in why.collections] == ["shop/views.py:7", nowhere, nowhere]


def test_containers_belong_to_modules_that_were_loaded_late_too(why):
    assert why.containers == (
        Container("shop.tables.ROWS.inner", "shop.tables", 1, 9, 70 * PAGE, "shop/tables.py", 4),
        Container("shop.views.SMALL", "shop.views", 0, 4, PAGE, "", 0),
    )
    assert [container.place for container in why.containers] == ["shop/tables.py:4", ""]


def test_all_that_was_charged_is_explained_and_divided_by_module(why):
    assert why.explained == 630 * PAGE
    assert why.share == 1.05
    assert sum(why.modules.values()) == why.explained
    assert why.modules["shop.tables"] == 70 * PAGE
    assert why.modules["(collections)"] == 70 * PAGE
    assert why.gone == 30 * PAGE
    assert why.unseen == 5 * PAGE


def test_pages_beyond_a_rows_faults_and_the_plugins_own_are_no_line_of_the_app(why):
    assert why.tracer == (11 + 2) * PAGE
    assert not any("cowmem" in name for name in why.modules)


def test_late_imports_and_objects_are_told(why):
    (late,) = why.imports
    assert late == LateImport("shop.tables", "shop.tables", "shop/views.py", 7, 20 * PAGE)
    assert late.place == "shop/views.py:7"
    assert why.objects == OBJECTS


def case_of(trace, values):
    return Case.of(make(trace, values, ROOT), trace, FACTS, Accepted(), ROOT)


def test_rules_look_at_a_case_of_it(why):
    case = case_of(TRACE, MEASURED)
    assert (case.why, case.requests, case.facts, case.collects) == (why, 30, FACTS, True)
    assert case.turned_on == "flask/app.py:33"
    assert case.uncompiled == {"shop.tables"}
    assert (case.reader, case.read) == (why.lines[0], OBJECTS)
    assert case_of(replace(TRACE, reader=None), MEASURED).reader is None
    quiet = Account.of({**TOLD, "turned_on": None, "uncompiled": []}, PRIVATE, COPIED, left=16)
    assert case_of(replace(TRACE, charged=quiet), MEASURED).turned_on == ""


def test_the_line_that_copied_most_is_that_of_all_its_rows_without_imports():
    reader, numbers = reading(TRACE.charged.rows)
    assert (reader and reader[:3], numbers) == (VIEW, {1, 2, 3, 4, 5, 18})
    copied = Account.of(TOLD, PRIVATE, Counter({9: 18, 6: 47, 15: 40, 13: 7}), left=16)
    assert reading(copied.rows) == (copied.rows[12].place, {13})
    assert reading(Account.of(TOLD, PRIVATE, Counter(), left=16).rows) == (None, set())


def test_advice_is_proposed():
    said = [proposal.rule for proposal in proposals(case_of(TRACE, MEASURED))]
    assert said == ["share cache", "freeze", "threads"]


def test_advice_on_a_leak_takes_a_mark_that_requests_came_after():
    growing = {**MEASURED, "growth": 100, "fresh": 9_000}
    for trace, leaks in (
        (TRACE, True),
        (replace(TRACE, warm=30), False),
        (replace(TRACE, warm=None), False),
    ):
        said = proposals(case_of(trace, growing))
        assert ("leak" in {proposal.rule for proposal in said}) is leaks


def test_the_measured_values_are_held_once(why):
    assert why.measured is MEASURED
    assert (why.private, why.fresh, why.copied) == (600 * PAGE, 4, 6)
    assert (why.first, why.by_collections, why.by_writes) == (9, 2, 4)
    unknown = replace(why, measured={"private": 0})
    assert (unknown.fresh, unknown.copied, unknown.first) == (None, None, None)
    assert (unknown.by_collections, unknown.by_writes, unknown.share) == (None, None, 1.0)


def test_an_explanation_goes_through_json_unchanged(why):
    assert typed(Explanation, json.loads(json.dumps(asdict(why)))) == why


def row(path, number, importing, pages):
    place = Place(path, number, "<module>", None, 0, "", importing and Importing(*importing))
    return Row(place, None, False, pages * PAGE, 0, 0)


def test_an_import_is_at_the_statement_and_not_at_what_it_runs():
    files = {"/app/wsgi.py": "wsgi", "/app/tables.py": "tables", "/app/rows.py": "rows"}
    rows = [
        row("/app/tables.py", 5, ("tables", "tables"), 9),
        row("/app/rows.py", 1, ("tables", "rows"), 4),
        row("/app/wsgi.py", 2, ("tables", "tables"), 1),
        row("/app/tables.py", 8, ("json", "json"), 2),
        row("/app/tables.py", 9, ("json", "json"), 1),
        row(None, 0, ("ssl", "ssl"), 4),
        row("/app/wsgi.py", 9, None, 70),
    ]
    imports = late_imports(rows, files, ROOT)
    assert imports == (
        LateImport("tables", "tables", "/app/wsgi.py", 2, 10 * PAGE),
        LateImport("rows", "tables", "/app/wsgi.py", 2, 4 * PAGE),
        LateImport("ssl", "ssl", "", 0, 4 * PAGE),
        LateImport("json", "json", "/app/tables.py", 8, 3 * PAGE),
    )
    assert by_statement(imports) == [
        LateImport("tables", "tables", "/app/wsgi.py", 2, 14 * PAGE),
        LateImport("ssl", "ssl", "", 0, 4 * PAGE),
        LateImport("json", "json", "/app/tables.py", 8, 3 * PAGE),
    ]


@pytest.mark.parametrize(
    ("charges", "kept", "leaked", "sums"),
    [
        ([("a", 5, 0), ("b", 3, 0), ("a", 2, 0)], {}, {}, {"a": 7, "b": 3}),
        # early: off the largest
        (
            [("flask", 9, 6), ("reader", 20, 19)],
            {"audit": 7},
            {},
            {"audit": 7, "flask": 6, "reader": 16},
        ),
        # its own lines took it, early or late
        ([("shop", 5, 0), ("flask", 9, 0)], {"shop": 4}, {}, {"shop": 5, "flask": 9}),
        ([("shop", 5, 5), ("flask", 9, 0)], {"shop": 4}, {}, {"shop": 5, "flask": 9}),
        ([("shop", 5, 0), ("flask", 9, 9)], {}, {"shop": 4}, {"shop": 5, "flask": 9}),
        # a leak is late
        (
            [("flask", 9, 6), ("reader", 20, 0)],
            {},
            {"audit": 7},
            {"audit": 7, "flask": 3, "reader": 19},
        ),
        (
            [("flask", 9, 6), ("reader", 20, 0)],
            {"table": 4},
            {"audit": 7},
            {"audit": 7, "flask": 3, "reader": 15, "table": 4},
        ),
        ([("a", 5, 1)], {"b": 9}, {}, {"b": 5}),
        ([("a", 5, 1)], {}, {"b": 9}, {"b": 5}),
        ([("a", 5, 1), ("b", 4, 0)], {"c": 2, "d": 5}, {}, {"a": 2, "c": 2, "d": 5}),
    ],
)
def test_what_is_kept_counts_for_its_keeper_and_the_sum_stays(charges, kept, leaked, sums):
    assert by_module(charges, kept, leaked) == sums
    assert sum(sums.values()) == sum(size for _, size, _ in charges)


def test_a_container_belongs_to_the_innermost_module_of_its_name():
    assert home("shop.views.cart.lines", {"shop", "shop.views"}) == "shop.views"
    assert home("shop.views.<locals>.x", {"shop", "shop.views"}) == "shop.views"
    assert home("late.CACHE", set()) == "late"
