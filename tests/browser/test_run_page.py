"""The HTML report of a run: what it looks like, and what can be done with it by keyboard."""

from dataclasses import replace

import pytest
from explained import EXPLANATION, red
from page_checks import POOR_CONTRASTS, SCHEMES, WIDTHS, focusable, overflow
from pictured import a_red_run, hostile, many
from records import MIB, VALUES, record

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.units import render
from pytest_cowmem.model.verdict import Verdict
from pytest_cowmem.report.html import dumps

expect = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it").expect

# Pictures without shapes, or with shapes beyond their edges.
BAD_PICTURES = """() => [...document.querySelectorAll(".picture")].filter((picture) => {
  const shapes = [...picture.querySelectorAll("path, rect, circle, polyline")]
    .filter((shape) => !shape.closest("defs, pattern") && shape.getBBox().width > 0);
  return shapes.length === 0 || picture.scrollWidth > picture.clientWidth;
}).length"""


def open_rows(page):
    """Open all rows that are closed, and wait until their pictures are drawn."""
    closed = page.locator("tbody [aria-expanded=false]")
    while closed.count():
        closed.first.click()
    rows = page.locator("tbody [aria-expanded]").count()
    expect(page.locator(".opened")).to_have_count(rows)
    expect(page.locator(".picture > svg:empty")).to_have_count(0)


def shown_in(page):
    """The names in the rows that are shown, in their order."""
    return page.locator("tbody > tr:not([hidden]) [aria-expanded]").all_inner_texts()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_all_is_drawn_and_nothing_overflows(show, width, scheme):
    page = show(dumps(a_red_run()), width, color_scheme=scheme)
    open_rows(page)
    assert page.locator(".picture").count() == 12
    assert page.evaluate(BAD_PICTURES) == 0
    assert overflow(page) <= 0
    assert page.evaluate(POOR_CONTRASTS) == []


@pytest.mark.parametrize("width", [360, 701, 768, 1101, 1440])
def test_every_verdict_fits_into_its_cell(show, width):
    one = record(values={**VALUES, "gc_collections": 12_345, "gc_pause": 123_400_000})
    records = [replace(one, verdict=verdict, failed=True) for verdict in Verdict]
    page = show(dumps(Document(records=tuple(records))), width)
    page.locator(".opened").wait_for()
    cells = page.locator(".tests > tbody > tr > td:not(.detail), .tests > thead th")
    wide = "cells => cells.filter(it => it.scrollWidth > it.clientWidth).map(it => it.innerText)"
    assert cells.evaluate_all(wide) == []
    names = page.locator(".tests > tbody > tr > th")
    highest = names.evaluate_all("names => Math.max(...names.map((it) => it.offsetHeight))")
    assert highest < 40, "a name takes more than a line"


def test_a_picture_is_drawn_anew_where_the_window_gets_another_width(show):
    page = show(dumps(a_red_run()), 1440)
    open_rows(page)
    before = page.locator(".picture > svg").first.get_attribute("width")
    page.set_viewport_size({"width": 360, "height": 900})
    expect(page.locator(".picture > svg").first).not_to_have_attribute("width", before)
    assert page.evaluate(BAD_PICTURES) == 0


def test_only_the_first_red_test_is_open_and_drawn(show):
    page = show(dumps(many(40)))
    page.locator(".opened").wait_for()
    assert page.locator("[aria-expanded=true]").all_inner_texts() == [
        "test_area_0::test_page_of_the_shop[0]"
    ]
    assert page.locator("svg[role=img]").count() == 1


def test_all_that_takes_the_focus_has_a_role_and_a_name(show):
    page = show(dumps(a_red_run()))
    open_rows(page)
    named = focusable(page)
    roles = ("button", "combobox", "group", "searchbox", "slider")
    assert {(role, True) for role in roles} <= named
    assert {role for role, has_name in named if not has_name} == set()


def test_a_row_of_a_narrow_page_is_one_to_a_screen_reader_too(show):
    page = show(dumps(Document(records=a_red_run().records[:1])), 360)
    page.get_by_role("row", name="test_a::test_small 2.00 MiB - • new").wait_for()
    assert page.get_by_role("columnheader").all_inner_texts()[:2] == ["test", "private"]


def test_the_rest_of_a_long_table_is_a_button_away(show):
    long = replace(EXPLANATION, modules={f"m{number}": MIB for number in range(30)})
    page = show(dumps(Document(records=(red(explanation=long, modules=None),))))
    rows = page.get_by_role("table", name="Private bytes by module").get_by_role("row")
    expect(rows).to_have_count(1 + 12)
    page.get_by_role("button", name="Show all 30 rows: Private bytes by module").press("Enter")
    expect(rows).to_have_count(1 + 30)


def test_columns_are_sorted_by_keyboard(show):
    page = show(dumps(a_red_run()))
    header = page.locator("thead th.c1")
    page.locator("thead button", has_text="private").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert shown_in(page) == [
        "test_b::test_large",
        "test_feed::test_feed",
        "test_feed::test_more",
        "test_a::test_small",
    ]
    page.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "ascending"
    assert shown_in(page)[0] == "test_a::test_small"
    # Details stay below their row.
    assert page.locator("tr:has([title$=test_feed]) + tr > .detail").count() == 1


def test_what_has_no_amount_comes_last_where_the_largest_comes_first(show):
    page = show(dumps(a_red_run()))
    page.locator("thead button", has_text="change").press("Enter")
    assert shown_in(page)[:2] == ["test_feed::test_feed", "test_feed::test_more"]


@pytest.mark.parametrize("width", WIDTHS)
def test_tests_are_filtered_by_keyboard(show, width):
    page = show(dumps(a_red_run()), width)
    page.locator("input[type=search]").press_sequentially("FEED regressed")
    assert shown_in(page) == ["test_feed::test_feed", "test_feed::test_more"]
    assert page.get_by_role("status").inner_text() == "2 of 4 tests"
    page.locator("input[type=search]").fill("")
    page.get_by_label("Show").select_option("failed")
    assert len(shown_in(page)) == 2
    page.locator("input[type=search]").fill("small")
    assert shown_in(page) == []
    assert not page.locator(".opened").is_visible()


def test_a_row_is_opened_and_closed_by_keyboard(show):
    page = show(dumps(a_red_run()))
    button = page.get_by_role("button", name="test_a::test_small")
    button.press("Enter")
    page.locator(".opened", has_text="tests/test_a.py::test_small").wait_for()
    assert button.get_attribute("aria-expanded") == "true"
    button.press("Enter")
    assert page.locator(".opened", has_text="tests/test_a.py::test_small").count() == 0


def test_the_map_tells_region_module_and_bytes_by_keyboard_and_by_pointer(show):
    page = show(dumps(a_red_run()))
    picture = page.get_by_role("slider", name="Memory map")
    readout = page.locator(".readout").first
    picture.focus()
    told = []
    for key in ("ArrowRight", "ArrowDown", "End", "ArrowUp", "Home"):
        page.keyboard.press(key)
        told.append(picture.get_attribute("aria-valuetext"))
        assert readout.inner_text() == told[-1]
    assert told[0] == "C heap: 160 KiB (40 pages) fresh, of flask"
    assert told[1].startswith("allocator: ")
    assert told[2] == "stack: 12.0 KiB (3 pages) its own when it was ready"
    assert told[3] == "mapped memory: 160 KiB (40 pages) shared"
    assert told[4] == "C heap: 1.17 MiB (300 pages) shared"
    assert picture.locator(".mark").evaluate("it => it.getBBox().width") > 0
    picture.hover(position={"x": 12, "y": 12})
    assert readout.inner_text() == told[4]


def test_a_collection_tells_its_generation_and_times(show):
    page = show(dumps(a_red_run()))
    picture = page.get_by_role("slider", name="Garbage collections")
    picture.focus()
    assert picture.get_attribute("aria-valuetext").startswith("generation 1: ")
    page.keyboard.press("ArrowUp")
    assert picture.get_attribute("aria-valuetext").startswith("generation 2: ")
    assert picture.get_attribute("aria-valuemax") == "60"


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"'><svg onload=alert(1)>",
        "javascript:alert(1)//${alert(1)}{{ 7 * 7 }}",
    ],
)
def test_hostile_texts_are_but_shown(show, text):
    page = show(dumps(hostile(text)), 360)
    open_rows(page)
    page.locator("summary").click()
    assert page.locator(".opened").inner_text().count(text) > 8
    assert page.locator("img, [onerror], [onload]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_javascript_the_table_is_there(show):
    page = show(dumps(a_red_run()), java_script_enabled=False)
    assert page.locator("tbody tr").count() == 4
    assert not page.locator("form").is_visible()


def test_amounts_are_rendered_as_in_the_terminal(show):
    page = show(dumps(a_red_run()))
    amounts = [
        0,
        1,
        999,
        1023,
        1024,
        1152,
        10_240,
        123_456,
        2**20 - 1,
        9_999_999,
        3 * 2**30,
        -5_000,
    ]
    for unit in ("bytes", "ns", "count"):
        shown = page.evaluate(
            "([amounts, unit]) => amounts.map((it) => rendered(it, unit))", [amounts, unit]
        )
        assert shown == [render(amount, unit) for amount in amounts]
