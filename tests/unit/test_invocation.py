"""A command to be copied picks what was picked, from where pytest was called."""

import shlex

import pytest

from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.run.settings import Settings


@pytest.fixture
def invocation(pytester):
    """`invocation(*options)` is that of a run with these options."""
    return lambda *options: Settings.from_config(pytester.parseconfig(*options)).invocation


def test_a_run_of_all_repeats_no_more_than_what_measures(invocation):
    assert invocation("--cowmem", "-q").update() == "pytest --cowmem --cowmem-update"


def test_what_picked_tests_and_the_baseline_is_repeated(invocation, pytester):
    pytester.mkdir("some tests")
    words = ["some tests", "-k", "a or b", "-m", "not slow", "--lf"]
    called = invocation(*words, "--cowmem", "--cowmem-baseline=a b.json")
    end = ["--cowmem", "--cowmem-baseline=a b.json", "--cowmem-update"]
    assert shlex.split(called.update()) == ["pytest", *words, *end]
    assert shlex.split(called.update(["t.py::test_it"])) == ["pytest", "t.py::test_it", *end]


def test_tests_are_named_from_where_pytest_was_called_and_quoted(invocation, pytester):
    pytester.makeini("[pytest]")
    inner = pytester.mkdir("inner")
    with pytest.MonkeyPatch.context() as moved:
        moved.chdir(inner)
        called = invocation()
    test = "inner/test_a.py::test_it[a b]"
    assert called.update([test]) == f"pytest '../{test}' --cowmem --cowmem-update"


def test_as_many_tests_as_no_line_holds_are_not_named():
    assert Invocation().update(list("abcd")) == "pytest --cowmem --cowmem-update"
    assert Invocation().update(list("abc")) == "pytest a b c --cowmem --cowmem-update"
