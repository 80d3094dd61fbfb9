"""The Markdown report: what changed first, bounded, and nothing in it but its own."""

import re
from dataclasses import replace

import pytest
from explained import red
from hostile_run import hostile_run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from records import MIB, VALUES, record

from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.report.markdown import LIMIT, dumps
from pytest_cowmem.report.markup import block, cell, code

GFM = MarkdownIt("gfm-like", {"html": True})  # tables, and bare addresses as links
MARK = "\N{GREEK CAPITAL LETTER OMEGA}"  # is in all that comes from others
NASTY = st.lists(
    st.sampled_from(
        [*"`|\\<>@#![]()*_~&:;/'\"= \n\r\t-.$%{}\x00\x1b\x85", "\ud800", "\u202e", "\u2028"]
        + [
            "```",
            "~~~",
            "</code>",
            "</details>",
            "<script>",
            "<!--",
            "-->",
            "http://a.b",
            "www.a.b",
        ]
        + [
            "@octocat",
            "#123",
            "a@b.org",
            "![x](y)",
            "\n\n# x\n\n",
            "\n---\n",
            "\n```\n",
            "| a |\n|---|\n",
        ]
        + ["::error::", "&#96;", "[a]: http://b", "    "]
    )
).map(lambda parts: MARK + MARK.join(parts) + MARK)
GREEN = tuple(record(f"tests/test_a.py::test_{number}", accepted=VALUES) for number in range(3))
RED = red("tests/test_memory.py::test_feed", place="tests/test_memory.py:12")


def tokens(text):
    """All that a reader is shown, flat."""
    for token in GFM.parse(text):
        yield from token.children or [token]


def cells(page):
    """The tables' rows, as lists of cells."""
    rows = re.findall(r"^\| (.*) \|$", page, re.MULTILINE)
    return [row.split(" | ") for row in rows if not row.startswith("---")]


def test_the_red_tests_come_first_and_what_is_as_before_is_folded():
    new = record("tests/test_a.py::test_new")
    page = dumps(Document(records=(*GREEN, new, RED)))
    assert page.startswith("## Memory gate failed: 1 of 5 regressed, +2.00 MiB in `test_feed`\n")
    assert cells(page) == [
        ["test", "metric", "base", "head", "change", "verdict"],
        [
            "`test_memory::test_feed`",
            "private",
            "5.00 MiB",
            "7.00 MiB",
            "+2.00 MiB (+40%)",
            "**regressed**",
        ],
        ["`test_a::test_new`", "private", "-", "5.00 MiB", "-", "new"],
        ["test", "base", "head", "change", "verdict"],
        *[[f"`test_a::test_{number}`", "5.00 MiB", "5.00 MiB", "~", "ok"] for number in range(3)],
    ]
    folded = page.index("<details><summary>3 tests as before</summary>")
    assert page.index("test_new") < folded < page.index("test_a::test_0")


def test_the_worst_test_has_its_causes_and_what_to_type():
    page = dumps(Document(records=(*GREEN, RED), invocation=Invocation(root="shop")))
    assert "### `test_feed`, `tests/test_memory.py:12`" in page
    assert "kept: shop/hooks.py:9 fills shop.hooks.SEEN" in page
    assert "* share cache: shop.hooks.SEEN grows" in page
    command = "pytest shop/tests/test_memory.py::test_feed --cowmem"
    assert f"```text\n{command} --cowmem-explain\n```" in page
    assert f"```text\n{command} --cowmem-update\n```" in page


def test_a_change_that_is_tolerated_is_noise_and_one_of_a_budget_is_not():
    little = record("t.py::test_a", accepted=VALUES | {"private": 5 * MIB - 4096})
    over = record(
        "t.py::test_b", limits={"private": 4 * MIB}, accepted=VALUES | {"private": 4 * MIB}
    )
    rows = {row[0]: row for row in cells(dumps(Document(records=(little, over))))}
    assert rows["`t::test_a`"][3] == "~"
    assert rows["`t::test_b`"][4:] == ["+1.00 MiB (+25%)", "**over budget of 4.00 MiB**"]


def test_tests_of_one_name_are_told_apart_by_their_folders():
    one, other = (record(f"{folder}/t.py::test_a", accepted=VALUES) for folder in "ab")
    page = dumps(Document(records=(one, other)))
    assert "| `a/t.py::test_a` |" in page
    assert "| `b/t.py::test_a` |" in page


def test_it_warns_where_environment_or_layout_differ_and_names_the_commits():
    elsewhere = replace(RED.accepted, layout="there")
    moved = replace(RED, accepted=elsewhere, notes=("measured with thp never",))
    page = dumps(Document(records=(moved,), head=Commit("1" * 40, True), base=Commit("2" * 40)))
    warning = page[page.index("> [!WARNING]") : page.index("Measured 1")]
    assert "> note: measured with thp never (test_feed)" in warning
    assert "> note: objects lie in other pages than in the baseline's run (1 test)" in warning
    assert (
        "Measured at `1111111111 with changes`; the baseline was last changed in `2222222222`."
    ) in page


def test_what_failed_for_other_reasons_and_what_an_update_wrote_is_told():
    failure = Failure("t.py::test_c", "assert 1\n== 2")
    page = dumps(Document(records=GREEN, failures=(failure,), unfit=("t.py::test_d",)))
    assert "Failed before it was measured:\n\n```text\nt.py::test_c: assert 1 == 2\n```" in page
    assert "Failed after it was measured:\n\n```text\nt.py::test_d\n```" in page


@settings(max_examples=40)
@given(NASTY)
@example(f"`{MARK}``")
@example(f"{MARK}\\|")
@example(f" {MARK}\n\n</details>\n\n# Passed\n\n![x](http://a.b)")
def test_nothing_of_others_is_anything_but_code(text):
    page = dumps(hostile_run(text))
    own = re.compile(r"<details><summary>[\w ]+</summary>\n|</details>\n")
    headings = 0
    for token in tokens(page):
        assert token.type not in ("link_open", "image", "html_inline", "hr", "code_block")
        headings += token.type == "heading_open"
        if token.type == "html_block":
            assert own.fullmatch(token.content), token.content
        elif token.type not in ("code_inline", "fence"):
            assert MARK not in token.content, token
    assert headings == 1 + 2  # the title, and one for each red test
    page.encode()


@given(NASTY)
def test_code_is_one_span_block_or_cell_and_nothing_is_lost_but_what_cannot_be_seen(text):
    seen = re.sub(r"[^\S ]", "", text)
    for made, kind in ((code(text, 10**6), "code_inline"), (block(text, 10**6), "fence")):
        (token,) = [
            it for it in tokens(made) if it.type not in ("paragraph_open", "paragraph_close")
        ]
        assert token.type == kind
        assert token.content.count(MARK) == seen.count(MARK)
    row = [it for it in tokens(f"|a|b|\n|--|--|\n|{cell(text)}|end|\n") if it.content]
    assert [(it.type, it.content) for it in row[:2] + row[3:]] == [
        ("text", "a"),
        ("text", "b"),
        ("text", "end"),
    ]
    assert row[2].type == "code_inline"


@pytest.mark.parametrize("text", ["`" * 3_000, "|" * 3_000, "\x00" * 1_000])
def test_it_is_bounded_whatever_the_run_and_says_what_it_leaves_out(text):
    page = dumps(hostile_run(text, tests=1_000))
    assert len(page) < LIMIT
    assert "more rows are left out here" in page
    assert "more red tests are in the run's own output" in page
    assert "the command is too long for here" in page


def test_a_large_run_shows_as_much_as_there_is_room_for():
    many = [replace(RED, test=f"tests/test_memory.py::test_{number}") for number in range(1_000)]
    page = dumps(Document(records=tuple(many)))
    assert len(page) < LIMIT
    assert page.count("**regressed**") == 60
