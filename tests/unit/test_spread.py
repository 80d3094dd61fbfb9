"""Which tests pytest-xdist is to give to one worker, on tests that pytest has collected."""

import pytest

from pytest_cowmem.run.spread import group, order

TESTS = """
import pytest

FREEZE = pytest.mark.cow_app(gc="freeze")
BIG, SMALL = pytest.mark.cow_app("big:app"), pytest.mark.cow_app("small:app")

@BIG
def test_big_1(cow_worker): pass

def test_plain_1(): pass

@SMALL
def test_small_1(cow_worker): pass

def test_plain_2(): pass

@BIG
@FREEZE
def test_frozen(cow_worker): pass

@BIG
def test_big_2(cow_worker): pass

@BIG
def test_big_3(cow_worker): pass

@pytest.mark.xdist_group("database")
@SMALL
def test_small_2(cow_worker): pass

@SMALL
def test_small_3(cow_worker): pass
"""


@pytest.fixture
def items(pytester):
    return pytester.getitems(TESTS)


def measured(items):
    return [item.nodeid for item in items if "plain" not in item.name]


def groups(items):
    """The group of each test that has one."""
    marks = {item.name: item.get_closest_marker("xdist_group") for item in items}
    return {name: mark.args[0] for name, mark in marks.items() if mark}


def test_tests_of_an_app_follow_each_other_and_others_what_they_followed(items):
    order(items, measured(items))
    assert [item.name.removeprefix("test_") for item in items] == [
        *("big_1", "plain_1", "big_2", "big_3"),
        *("small_1", "plain_2", "small_2", "small_3"),
        "frozen",
    ]


def test_tests_that_are_in_order_stay_as_they_are(items):
    order(items, measured(items))
    again = items[:]
    order(again, measured(again))
    assert again == items


def test_an_app_with_a_workers_share_of_the_free_tests_is_one_group(items):
    group(items, measured(items), 2)
    assert groups(items) == {
        "test_small_2": "database",
        **dict.fromkeys(("test_big_1", "test_big_2", "test_big_3"), "cowmem-0"),
        **dict.fromkeys(("test_small_1", "test_small_3"), "cowmem-1"),
    }


def test_an_app_with_more_than_a_share_keeps_no_worker_idle(items):
    group(items, measured(items), 4)
    assert groups(items) == {
        "test_small_2": "database",
        **dict.fromkeys(("test_small_1", "test_small_3"), "cowmem-1"),
    }


def test_what_the_app_fixture_returns_for_a_module_is_another_app(pytester):
    source = "def test_it(cow_worker): pass\n"
    fixture = "import pytest\n@pytest.fixture\ndef cow_app(): return 'other:app'\n"
    pytester.makepyfile(test_a=source, test_b=fixture + source, test_c=source)
    items, _ = pytester.inline_genitems()
    order(items, [item.nodeid for item in items])
    assert [item.nodeid[:6] for item in items] == ["test_a", "test_c", "test_b"]
