"""A baseline's versions as series: what moved, what was renamed, and how it is shown."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import ENVIRONMENT, MIB, entry

from pytest_cowmem.judge.history import history
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.history import Change, Version
from pytest_cowmem.report.history import as_data, as_text, cells
from pytest_cowmem.report.history_page import dumps

KIB = 2**10


def versions(*tests, profile="linux-x", subject="Change it"):
    """Versions of a baseline, by what each has of tests: an entry, or private bytes."""
    return [
        Version(
            Change(f"{number:040x}", f"2026-11-{number + 1:02}", subject),
            Baseline({profile: Profile(ENVIRONMENT, {test: of(it) for test, it in each.items()})}),
        )
        for number, each in enumerate(tests)
    ]


def of(known):
    """An entry as of five layouts that differ by nothing."""
    return entry(private=known) if isinstance(known, int) else known


def private(one):
    return [(point.private, point.moved) for point in one.points]


def test_a_point_moved_where_the_gate_would_have_said_so():
    one = "t.py::test_a"
    amounts = [5 * MIB, 5 * MIB + 40 * KIB, 7 * MIB, 7 * MIB, 6 * MIB]
    (found,) = history(versions(*({one: amount} for amount in amounts))).series
    moved = [False, False, True, False, True]
    assert private(found) == [*zip(amounts, moved, strict=True)]
    assert [by for _, by in found.moves] == [2 * MIB - 40 * KIB, -MIB]
    assert cells(found)[1:] == ["5.00 MiB", "6.00 MiB", "+1.00 MiB", "2 commits"]


def test_a_renamed_test_goes_on_and_one_that_left_ends():
    renamed = replace(of(6 * MIB), source="same")
    before = replace(of(5 * MIB), source="same")
    left = replace(of(MIB), source="other")
    found = history(versions({"a": before, "b": left}, {"c": renamed}, {"c": renamed})).series
    assert [(one.test, one.gone, len(one.points)) for one in found] == [
        ("b", True, 1),
        ("c", False, 3),
    ]
    assert private(found[1])[:2] == [(5 * MIB, False), (6 * MIB, True)]


def test_a_test_that_was_away_is_compared_with_what_it_had():
    (found,) = history(versions({"a": 5 * MIB}, {}, {"a": 5 * MIB}, {"a": 9 * MIB})).series
    assert private(found) == [(5 * MIB, False), (5 * MIB, False), (9 * MIB, True)]
    assert not found.gone


@pytest.mark.parametrize(("before", "after"), [("ab", "c"), ("a", "bc")])
def test_one_source_of_two_tests_renames_neither(before, after):
    first, second = (dict.fromkeys(names, of(MIB)) for names in (before, after))
    found = history(versions(first, second)).series
    assert [(one.test, len(one.points)) for one in found] == [("a", 1), ("b", 1), ("c", 1)]


def test_an_entry_without_private_has_no_point():
    found = history(versions({"a": entry(fresh=MIB)}, {"a": 2 * MIB})).series
    assert [private(one) for one in found] == [[(2 * MIB, False)]]


def test_a_tree_is_held_to_what_a_tree_is():
    amounts = (60 * MIB, 61 * MIB)
    (alone,) = history(versions(*({"a": amount} for amount in amounts))).series
    trees = [{"a": entry(private=amount, children=MIB)} for amount in amounts]
    (tree,) = history(versions(*trees)).series
    assert [len(alone.moves), len(tree.moves)] == [1, 0]


def test_text_has_a_table_and_the_commits_that_moved_tests_newest_first():
    found = history(versions({"t.py::a": MIB}, {"t.py::a": 3 * MIB}, {"t.py::a": 2 * MIB}))
    assert [*as_text(found)] == [
        "profile linux-x",
        "test       first      last     change    moved by\n"
        "------  --------  --------  ---------  ----------\n"
        "t::a    1.00 MiB  2.00 MiB  +1.00 MiB   2 commits",
        "",
        "0000000000 2026-11-03 Change it",
        "  -1.00 MiB t::a",
        "0000000000 2026-11-02 Change it",
        "  +2.00 MiB t::a",
        "",
    ]


def test_data_has_all_points():
    data = as_data(history(versions({"a": MIB}, {"a": 3 * MIB})))
    assert data["profiles"]["linux-x"]["a"] == [
        {"commit": f"{0:040x}", "private": MIB, "moved": False},
        {"commit": f"{1:040x}", "private": 3 * MIB, "moved": True},
    ]
    assert [it["day"] for it in data["commits"]] == ["2026-11-01", "2026-11-02"]


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data):
        self.text += data


def shown(name, subject):
    return Page(
        dumps(history(versions({name: MIB}, {name: 3 * MIB}, profile=name, subject=subject)))
    )


HOSTILE = st.text(st.sampled_from("a<>&'\"/!-{}% \n")).map(lambda text: f"</script><b x={text}>")


@given(HOSTILE, HOSTILE)
def test_nothing_in_a_page_is_markup_of_a_test_or_a_commit(name, subject):
    plain = shown("a", "b")
    hostile = shown(name, subject)
    assert hostile.tags == plain.tags
    assert subject in hostile.text


@pytest.mark.parametrize("amounts", [[0], [0, 0], [MIB], [MIB, 2 * MIB, 0]])
def test_a_page_has_a_chart_for_each_test_within_its_box(amounts):
    page = Page(text := dumps(history(versions(*({"a": amount} for amount in amounts)))))
    assert [tag for tag, _ in page.tags].count("svg") == 1
    line = text.partition('points="')[2].partition('"')[0]
    spots = [tuple(map(float, spot.split(","))) for spot in line.split()]
    assert len(spots) == len(amounts)
    assert all(0 <= x <= 320 and 0 <= y <= 64 for x, y in spots)
