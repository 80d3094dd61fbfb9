"""Where private bytes went, in words: what is said, in which order, and that it fits 80 columns."""

from dataclasses import replace

import pytest

from pytest_cowmem.explain.bymodule import by_module, home
from pytest_cowmem.explain.explanation import Advice, Container, Explanation, Line
from pytest_cowmem.explain.imports import LateImport, by_statement, late_imports
from pytest_cowmem.explain.overlay import Overlay, Resident
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.baseline import Entry
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Verdict
from pytest_cowmem.report import why

MIB = 2**20
LONG = "services/recommendations/presentation/" + "a_module_with_a_name_of_its_own_" * 2 + ".py"
NAME = LONG.removesuffix(".py").replace("/", ".")
FOUND = Explanation(
    private=3 * MIB,
    copied=2 * MIB,
    fresh=MIB,
    by_collections=MIB // 2,
    first=2 * MIB,
    explained=3 * MIB,
    tracer=30_000,
    unseen=0,
    lines=(Line(LONG, 7, "view", NAME, 3 * MIB, 0, ()),),
    collections=(),
    imports=(),
    containers=(Container(f"{NAME}.RESULTS", NAME, 0, 1_000, MIB, LONG, 12),),
    modules={NAME: 3 * MIB},
    objects=Overlay(
        500, (Resident(NAME, MIB, 500, 900),), (Resident("str", MIB, 500, 900),), (), {}
    ),
    advice=(Advice("share cache", f"{NAME}.RESULTS grows at {LONG}:12: bound it", MIB),),
)


@pytest.fixture
def text():
    """What is said of an explanation, on one line."""
    return lambda **changes: " ".join(why.causes(replace(FOUND, **changes)).split())


def test_causes_name_all_parts(text):
    assert text() == (
        "where 3.00 MiB went: 1.00 MiB fresh, 2.00 MiB copied (512 KiB by collections, 1.50 MiB by reference counts and writes). "
        "The first request took 2.00 MiB of it. A traced round explains 100% of it; 29.3 KiB are the tracer's own."
    )


def test_what_came_where_nobody_listened_is_told(text):
    assert "explains 100% of it; 1.00 MiB came where it did not listen; 29.3 KiB" in text(
        unseen=MIB
    )


def test_the_first_request_is_not_told_where_it_is_all_there_was(text):
    assert "first" not in text(first=3 * MIB) + text(first=None)


def test_a_kernel_that_tells_no_causes_is_named(text):
    assert text(fresh=None, copied=None, by_collections=None, first=None).startswith(
        "where 3.00 MiB went: this kernel does not tell what is fresh and what was copied. A traced round explains 100% of it; "
    )


def test_no_path_or_name_makes_a_line_wider_than_a_terminal():
    entry = Entry({}, {}, 1, "source", "default", "here")
    measurement = Measurement({}, {}, (), 1, 1)
    record = Record(
        "test",
        "linux",
        {},
        "shop:app",
        MIB,
        measurement,
        (),
        Verdict.NEW,
        entry,
        failed=False,
        notes=(),
    )
    found = replace(FOUND, imports=(LateImport(NAME, NAME, LONG, 3, MIB),))
    lines = why.why(record, found).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("name_of_its_own_.py:12" in line for line in lines) == 2


def test_late_imports_are_told_however_small():
    found = tuple(
        LateImport(f"m{number}", "ab"[number % 2], "shop/views.py", 3, 4096) for number in range(4)
    )
    (line,) = why.late_imports(replace(FOUND, imports=found))
    assert line == "late imports: a 8.00 KiB (shop/views.py:3), b 8.00 KiB (shop/views.py:3)"
    many = tuple(LateImport(name, name, "", 0, 4096) for name in "abcde")
    assert list(why.late_imports(replace(FOUND, imports=many))) == [
        "late imports: a 4.00 KiB, b 4.00 KiB, c 4.00 KiB, 2 more 8.00 KiB"
    ]
    assert not list(why.late_imports(FOUND))


def row(path, number, by, module, pages):
    return path, number, "<module>", None, 0, "", (by, module) if by else None, 0, pages


def test_an_import_is_at_the_statement_and_not_at_what_it_runs(tmp_path):
    files = {"/app/wsgi.py": "wsgi", "/app/tables.py": "tables", "/app/rows.py": "rows"}
    rows = [
        row("/app/tables.py", 5, "tables", "tables", 9),
        row("/app/rows.py", 1, "tables", "rows", 4),
        row("/app/wsgi.py", 2, "tables", "tables", 1),
        row("/app/tables.py", 8, "json", "json", 2),
        row(None, 0, "ssl", "ssl", 3),
        row("/app/wsgi.py", 9, None, None, 70),
    ]
    found = late_imports(rows, files, tmp_path)
    assert found == (
        LateImport("tables", "tables", "/app/wsgi.py", 2, 10 * PAGE),
        LateImport("rows", "tables", "/app/wsgi.py", 2, 4 * PAGE),
        LateImport("ssl", "ssl", "", 0, 3 * PAGE),
        LateImport("json", "json", "/app/tables.py", 8, 2 * PAGE),
    )
    assert by_statement(found)[0] == LateImport("tables", "tables", "/app/wsgi.py", 2, 14 * PAGE)


@pytest.mark.parametrize(
    ("charges", "kept", "found"),
    [
        ([("a", 5, 0), ("b", 3, 0), ("a", 2, 0)], {}, {"a": 7, "b": 3}),
        (
            [("flask", 9, 6), ("reader", 20, 0)],
            {"audit": 7},
            {"audit": 7, "flask": 3, "reader": 19},
        ),  # early: off the largest
        (
            [("shop", 5, 0), ("flask", 9, 0)],
            {"shop": 4},
            {"shop": 5, "flask": 9},
        ),  # its own lines took it
        ([("shop", 5, 0), ("flask", 3, 3)], {"shop": 3}, {"shop": 8}),  # a leak is late
        ([("a", 5, 1)], {"b": 9}, {"b": 5}),
    ],
)
def test_what_is_kept_counts_for_its_keeper_and_the_sum_stays(charges, kept, found):
    assert by_module(charges, kept) == found
    assert sum(found.values()) == sum(size for _, size, _ in charges)


def test_a_container_belongs_to_the_innermost_module_of_its_name():
    assert home("shop.views.cart.lines", {"shop", "shop.views"}) == "shop.views"
    assert home("shop.views.<locals>.x", {"shop", "shop.views"}) == "shop.views"
    assert home("late.CACHE", set()) == "late"
