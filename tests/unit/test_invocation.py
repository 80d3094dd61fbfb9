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


def test_all_tests_are_named_however_many():
    names = [f"t.py::test_{number}" for number in range(40)]
    assert shlex.split(Invocation().update(names)) == [
        "pytest",
        *names,
        "--cowmem",
        "--cowmem-update",
    ]


@pytest.mark.parametrize(
    ("ci", "reports", "command"),
    [
        ("true", ["a.json"], "cowmem accept a.json t.py::test_it"),
        ("true", ["a.json", "b.json"], "cowmem accept a.json t.py::test_it"),
        ("", ["a.json"], "pytest t.py::test_it --cowmem --cowmem-update"),
        ("true", [], "pytest t.py::test_it --cowmem --cowmem-update"),
    ],
)
def test_in_ci_what_is_accepted_is_the_json_report(invocation, monkeypatch, ci, reports, command):
    monkeypatch.setenv("CI", ci)
    options = [f"--cowmem-report={report}" for report in reports]
    assert invocation("--cowmem", *options).update(["t.py::test_it"]) == command


def test_a_run_against_a_commit_is_repeated_as_one_and_accepts_nothing(invocation):
    called = invocation(
        "-k", "a or b", "--cowmem", "--cowmem-baseline=x", "--cowmem-against", "main", "1fc7"
    )
    assert called.run() == "cowmem against main -k 'a or b' --cowmem-explain"
    assert called.run(["t.py::test_it"]) == "cowmem against main t.py::test_it --cowmem-explain"
    assert called.update() == ""
