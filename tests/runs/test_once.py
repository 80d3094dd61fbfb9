"""Whole runs in which one cause makes many tests red: it is traced and explained once."""

import re

import pytest

SHOP = """
import hooks
kept = []
DATA = [[number] for number in range(20_000)]
def app(environ, start_response):
    sum(len(row) for row in DATA)
    hooks.remember(environ["PATH_INFO"])
    if environ["PATH_INFO"] == "/grow":
        kept.append(bytearray(int(environ["QUERY_STRING"]) << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
KEEPS = """
SEEN = []
def remember(path):
    if not SEEN:
        count = 40_000 if path == "/twice" else 20_000
        SEEN.extend("visitor %d" % number for number in range(count))
"""
NOTHING = "def remember(path):\n    pass\n"
TESTS = """
import pytest
@pytest.mark.parametrize("path", ["a", "b", "twice"])
def test_it(cow_worker, path):
    cow_worker.get(f"/{path}")
"""
TRACED = "A traced round explains"
CAUSE = "hooks.py:5 (container hooks.SEEN)"


@pytest.fixture
def run(project, pytester):
    """`run(tests, *options)` runs a shop's tests, whose baseline is of a hook that did nothing."""
    pytester.makepyfile(shop=SHOP, hooks=NOTHING)

    def run_it(tests, *options):
        project(tests, "--cowmem-update", app="shop:app")
        pytester.makepyfile(hooks=KEEPS)
        return project(tests, *options, app="shop:app")

    return run_it


def parts(result):
    """Return what a run printed of failures, and its summary, each as one line."""
    text = " ".join(result.stdout.str().partition("= short test summary info =")[0].split())
    failures, _, summary = text.partition("= cowmem =")
    return failures, summary


def test_one_cause_is_explained_once(run):
    result = run(TESTS)
    result.assert_outcomes(failed=3)
    failures, summary = parts(result)
    assert failures.count(TRACED) == 1
    assert "by module, since the baseline: hooks +" in failures
    assert re.search("already in the baseline: [0-9]+ lines?, [0-9.]+ MiB ", failures)
    first = "test_one_cause_is_explained_once.py::test_it[a]"
    assert failures.count(f"grew as {first} did, whose explanation names {CAUSE}. This test") == 1
    assert failures.count(f"same cause as in {first}, which is explained there: {CAUSE}, ") == 1
    assert summary.count("cause: ") == 1
    named = [f"test_one_cause_is_explained_once::test_it[{path}]" for path in ("a", "twice", "b")]
    told = f"MiB: {', '.join(named[:2])}; grew alike, and not traced: {named[2]} "
    assert told in summary.partition(f"cause: {CAUSE}, ")[2]


def test_all_are_explained_in_full_where_that_was_asked_for(run):
    result = run(TESTS, "--cowmem-explain")
    result.assert_outcomes(failed=3)
    failures, summary = parts(result)
    assert failures.count(TRACED) == 3
    assert failures.count("kept: hooks.py:5 fills hooks.SEEN") == 3
    assert summary.count("cause: ") == 1
    assert "not traced" not in failures + summary


def test_each_xdist_worker_explains_a_cause_and_the_summary_has_it_once(run):
    result = run(TESTS.replace('"twice"', '"c", "d"'), "-n", "2")
    result.assert_outcomes(failed=4)
    failures, summary = parts(result)
    assert 1 <= failures.count(TRACED) <= 2
    assert failures.count(TRACED) + failures.count("grew as ") == 4
    assert summary.count("cause: ") == 1
    told = summary.partition(f"cause: {CAUSE}, ")[2]
    assert sum(f"::test_it[{path}]" in told for path in "abcd") == 4


def test_nobody_refers_to_a_test_whose_text_is_not_shown(run):
    hidden = TESTS.replace("def", "@pytest.mark.xfail\ndef").replace('"b", "twice"', "")
    shown = TESTS.replace("test_it", "test_shown").replace(', "twice"', "")
    result = run(hidden + shown)
    result.assert_outcomes(xfailed=1, failed=2)
    failures, _ = parts(result)
    assert failures.count(TRACED) == 1
    assert failures.count("::test_shown[a] did, whose explanation names") == 1


GROWING = """
import pytest
@pytest.mark.mem_budget(private="1 MiB")
@pytest.mark.parametrize("size", [9, 8, 7, 6, 5, 4, 3, 12, 10])
def test_it(cow_worker, size):
    cow_worker.get(f"/grow?{size}")
    if size == 3:
        cow_worker.explain()
"""


def test_five_are_traced_and_one_that_grew_more_and_one_that_asks(project, pytester):
    pytester.makepyfile(shop=SHOP, hooks=NOTHING)
    result = project(GROWING, app="shop:app")
    result.assert_outcomes(failed=9)
    failures, summary = parts(result)
    assert failures.count(TRACED) + failures.count("the same cause as in ") == 7
    said = "not traced, since {} other red tests were; run alone, it is"
    assert [failures.count(said.format(number)) for number in (5, 6, 7)] == [1, 0, 1]
    named = [f"{pytester.path.name[:-1]}::test_it[{size}]" for size in (4, 10)]
    assert f"not traced, since 7 other red tests were: {', '.join(named)} " in summary
