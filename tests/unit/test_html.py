"""The HTML report: what it selects, and that nothing from an app or a test is markup in it.

How it looks and what can be done with it is in tests/browser.
"""

import base64
import json
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from explained import EXPLANATION, KIB, red
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictured import a_red_run, hostile, many, memory_map, pictured
from records import MIB, VALUES, record

from pytest_cowmem.files import report
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.report.detail import detail
from pytest_cowmem.report.headline import headline
from pytest_cowmem.report.html import dumps


class Outline(HTMLParser):
    """A page's elements in order, the names of their attributes, and the text in each."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.texts = {}
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, [name for name, _ in attributes]))
        self._tag = tag

    def handle_endtag(self, tag):
        self.elements.append(tag)
        self._tag = ""

    def handle_data(self, data):
        self.texts[self._tag] = self.texts.get(self._tag, "") + data


HARMLESS = Outline(dumps(hostile("x")))


def data_of(page):
    """The details of all tests, as the page's script unpacks them."""
    packed = page.partition('id="data">')[2].partition("<")[0]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def details_of(one):
    return detail(one, Invocation())


def test_the_verdict_is_the_title():
    run = a_red_run()
    outline = Outline(dumps(run))
    assert outline.texts["title"] == headline(run)
    assert outline.texts["h1"] == headline(run)


def test_red_tests_come_first_and_details_stand_in_the_order_of_the_rows():
    page = dumps(a_red_run())
    tests = ["test_feed::test_feed", "test_feed::test_more", "test_a::test_small"]
    assert sorted(tests, key=page.index) == tests
    assert [it["test"].rpartition("/")[2].replace(".py", "") for it in data_of(page)][:3] == tests


@example("</script><script>alert(1)</script>")
@example("]]><img src=x onerror=alert(1)>")
@example("\"'><!-- {{ 7 * 7 }} {% raw %} &lt;")
@example("\udcff")
@settings(max_examples=50)
@given(st.text(min_size=1))
def test_no_text_of_an_app_or_a_test_is_markup(text):
    assert Outline(dumps(hostile(text))).elements == HARMLESS.elements


def test_texts_are_shown_as_they_are():
    text = "</script>&amp;<b>{{ x }}"
    page = dumps(hostile(text))
    assert text in Outline(page).texts["li"]
    assert data_of(page)[0]["test"].endswith(f"::{text}")


def test_the_page_asks_for_nothing_else():
    page = dumps(a_red_run())
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_page_takes_less_than_5_kb_a_test():
    assert len(dumps(many(200))) < 200 * 5_000


def test_runs_without_tests_and_with_an_error_are_pages_too():
    assert "Nothing was measured: there is no test" in dumps(Document())
    assert "no such app" in dumps(Document(usage_error="no such app"))


def test_what_a_test_does_not_have_is_left_out():
    assert {*details_of(record())} == {"test", "metrics", "again"}


def test_what_a_failure_shows_comes_first_among_the_metrics():
    names = [metric[0] for metric in details_of(record(values={"fresh": 0, **VALUES}))["metrics"]]
    assert names[:3] == ["private", "gc_pause", "gc_collections"]


def test_a_map_of_a_traced_round_says_more_and_is_taken():
    traced = red(explanation=replace(EXPLANATION, map=memory_map(100)))
    assert details_of(pictured(traced, 50))["map"]["traced"]
    plain = details_of(pictured(record(), 50))["map"]
    assert not plain["traced"]
    assert plain["regions"][0][:2] == ("C heap", "")


def test_modules_stand_beside_those_of_the_baseline():
    found = details_of(red())
    assert found["modules"][0] == ["shop.views", 3 * MIB, 3 * MIB]
    assert ["shop.hooks", 2 * MIB + 300 * KIB, 40 * KIB] in found["modules"]
    assert details_of(red(modules=None))["modules"][0] == ["shop.views", 3 * MIB, None]


def test_lines_say_what_of_them_is_new():
    new = {line[0]: line[4] for line in details_of(red())["lines"]}
    assert new["shop/hooks.py:9"] == 2 * MIB + 200 * KIB
    assert new["shop/views.py:7"] == 0
    assert {line[4] for line in details_of(red(modules=None))["lines"]} == {None}


def test_what_is_not_shown_is_summed_up():
    modules = {f"m{number}": MIB for number in range(50)}
    lines = tuple(replace(EXPLANATION.lines[0], line=number) for number in range(50))
    one = red(explanation=replace(EXPLANATION, modules=modules, lines=lines), modules={"m1": KIB})
    found = details_of(one)
    assert sum(size for _, size, _ in found["modules"]) == 50 * MIB
    assert sum(before for _, _, before in found["modules"]) == KIB
    assert sum(line[3] for line in found["lines"]) == sum(it.bytes for it in lines) + 400 * KIB


def test_how_to_go_on_is_said_of_what_can_be_accepted():
    assert (
        details_of(red("t.py::test_a"))["accept"] == "pytest t.py::test_a --cowmem --cowmem-update"
    )
    assert "accept" not in details_of(record())


def test_without_jinja2_the_report_is_refused_before_the_run(monkeypatch, tmp_path):
    for name in ("html", "page"):
        monkeypatch.delitem(sys.modules, f"pytest_cowmem.report.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"pip install 'pytest-cowmem\[html\]'"):
        report.check_writable(tmp_path / "run.html")
    report.check_writable(tmp_path / "run.json")


def test_a_report_is_written_by_its_suffix(tmp_path):
    path = Path(tmp_path / "run.html")
    report.write(a_red_run(), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
