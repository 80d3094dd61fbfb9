"""The libraries beneath a line of the app that is most of all, in the table of a red test."""

from dataclasses import replace
from pathlib import Path

import pytest
import records

from pytest_cowmem.explain.make import _beside
from pytest_cowmem.explain.places import ZYGOTE_SIDE
from pytest_cowmem.explain.rows import Place, Row
from pytest_cowmem.model.explanation import Explanation, Line, Overlay
from pytest_cowmem.report import reasons, why

KIB, MIB = 2**10, 2**20
ORM = "django/db/models/query.py:88 QuerySet.__iter__"
SQL = "django/db/backends/sqlite3/base.py:359 SQLiteCursorWrapper.execute"
BENEATH = (
    (ORM, 3 * MIB),
    ("<frozen abc>:123 ABCMeta.__subclasscheck__", 900 * KIB),
    (SQL, MIB),
    ("six.py:8 <module>", 64 * KIB),
    ("jinja2/environment.py:1293 Template.render", 64 * KIB - 1),
    ("enum.py:712 EnumType.__call__", 65 * KIB),
)
FEED = Line("shop/feed.py", 7, "Feed.items", "shop.feed", 6 * MIB, 0, 0, 0, BENEATH)
CART = Line("shop/cart.py", 12, "add", "shop.cart", MIB, 0, 0, 0, ())
SERVING = f"{ZYGOTE_SIDE}wire.py", "/usr/lib/python3/dist-packages/jinja2/loaders.py"
NOTHING = Overlay(0, (), (), (), {})


@pytest.fixture
def table():
    """`table(*lines)` is what is shown of these, a row each."""

    def rows(*lines):
        explained = sum(line.bytes for line in lines)
        values = {"private": explained}
        told = Explanation(values, explained, 0, 0, 0, lines, (), (), (), {}, NOTHING)
        shown = reasons.reasons(records.record(), told)
        (text,) = why.table(shown.parts, shown.gone)
        return [line.rstrip() for line in text.splitlines()[2:]]

    return rows


def test_a_line_that_is_most_of_all_has_its_libraries_behind_it(table):
    assert table(FEED, CART) == [
        " 6.00 MiB  shop/feed.py:7   Feed.items  django/db/models/query.py:88",
        " 4.00 MiB  - (django)                   django/db/models/query.py:88",
        "  900 KiB  - (abc)                      <frozen abc>:123",
        " 65.0 KiB  - (enum)                     enum.py:712",
        " 1.00 MiB  shop/cart.py:12  add",
    ]


def test_what_serves_the_request_is_no_library():
    places = [Place("/srv/shop/feed.py", 7, "items", it, 3, "read", None) for it in SERVING]
    rows = [Row(place, None, False, MIB, 0, 0) for place in places]
    assert _beside(rows, Path("/srv")) == (("jinja2/loaders.py:3 read", MIB),)


def test_a_line_that_is_half_of_all_has_not(table):
    assert len(table(FEED, replace(CART, bytes=6 * MIB))) == 2
    assert len(table(FEED, replace(CART, bytes=6 * MIB - 1))) == 5


def test_one_library_alone_is_in_the_last_column(table):
    (row,) = table(replace(FEED, beside=(BENEATH[0], BENEATH[2], BENEATH[4])))
    assert row.endswith("django/db/models/query.py:88")


def test_a_row_without_a_line_of_the_app_is_a_library_already(table):
    assert len(table(replace(FEED, path="", line=0, module="django"))) == 1


def test_a_library_that_lies_apart_is_told_by_its_path(table):
    apart = ("/src/billing/rows.py:3 rows", MIB), ("/src/billing/sums.py:4 add", MIB)
    rows = table(replace(FEED, beside=apart))
    assert [row.split()[3] for row in rows[1:]] == [
        "(/src/billing/rows.py)",
        "(/src/billing/sums.py)",
    ]


def test_no_table_is_wider_than_a_terminal(table):
    name = "a_package_with_a_name_of_its_own_" * 2
    long = tuple((f"{name}{number}/{name}.py:7 {name}", MIB) for number in range(2))
    rows = table(replace(FEED, path=f"{name}.py", function=name, beside=long))
    assert max(map(len, rows)) == 79
