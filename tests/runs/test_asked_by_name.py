"""A test may ask for the worker by name, in a fixture: it is measured like any other."""

import json

import pytest

SHOP = """
import pytest

@pytest.fixture
def client(cow_worker):
    return cow_worker

@pytest.fixture
def by_name(request):
    return request.getfixturevalue("cow_worker")

@pytest.fixture
def by_two_names(request):
    def ask():
        return request.getfixturevalue("client")
    return ask()

@pytest.fixture
def by_parameter(request):
    return request.getfixturevalue(request.param)

@pytest.fixture
def unseen(request):
    return request.getfixturevalue("_".join(["cow", "worker"]))

def test_plain():
    pass
"""
BY_NAME = SHOP + "def test_it(by_name):\n    by_name.get('/')\n"
BY_TWO = SHOP + "def test_it(by_two_names):\n    by_two_names.get('/')\n"
BY_PARAMETER = (
    SHOP
    + "@pytest.mark.parametrize('by_parameter', ['client'], indirect=True)\n"
    + "def test_it(by_parameter):\n    by_parameter.get('/')\n"
)
UNSEEN = SHOP + "def test_it(unseen):\n    unseen.get('/')\n"
ALL = [BY_NAME, BY_TWO, BY_PARAMETER, UNSEEN]
IDS = ["name", "two names", "parameter", "unseen"]


@pytest.fixture
def entries(pytester):
    """`entries()` lists the tests in the project's baseline."""

    def read():
        text = (pytester.path / "cowmem-baseline.json").read_text()
        (profile,) = json.loads(text)["profiles"].values()
        return [test.partition("[")[0] for test in profile["tests"]]

    return read


def told(result):
    """What a run printed, in one line, since sentences are wrapped to the terminal."""
    return " ".join(result.stdout.str().split())


def grown(text):
    """The same test, which dirties 2 MiB more."""
    return text.replace(".get('/')", ".get('/dirty?512')")


@pytest.mark.parametrize("text", ALL, ids=IDS)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_what_was_measured_is_never_stale_and_a_regression_is_red(project, entries, text, workers):
    added = project(text, "--cowmem-update", *workers, app="bare:busy")
    assert "baseline: added" in told(added)
    again = project(text, "--cowmem-update", *workers, app="bare:busy")
    assert "baseline:" not in told(again)
    assert len(entries()) == 1
    red = project(grown(text), *workers, app="bare:busy")
    red.assert_outcomes(passed=1, failed=1)
    red.stdout.fnmatch_lines(["private has regressed by *"])
    assert "stale:" not in told(red)


@pytest.mark.parametrize("text", ALL[:-1], ids=IDS[:-1])
def test_only_keeps_a_test_that_asks_by_name(project, text):
    result = project(text, "--cowmem-only", app="bare:busy")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["*::test_it* new"])


def test_only_keeps_what_is_in_the_baseline(project):
    project(UNSEEN, "--cowmem-update", app="bare:busy")
    result = project(UNSEEN, "--cowmem-only", app="bare:busy")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["*::test_it* ok"])


@pytest.mark.parametrize("text", ALL, ids=IDS)
def test_a_budget_on_a_test_that_asks_by_name_is_measured(project, text):
    budget = "pytestmark = pytest.mark.mem_budget(private='1 MiB')\n"
    result = project(grown(text) + budget, "-k", "test_it", app="bare:busy")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["private is over budget by *"])


def test_a_test_that_passes_without_a_worker_has_a_stale_entry(project, entries):
    project(BY_NAME, "--cowmem-update", app="bare:busy")
    plain = SHOP + "def test_it():\n    pass\n"
    assert "stale:" in told(project(plain, app="bare:busy"))
    skipped = plain.replace("def test_it", "@pytest.mark.skip\ndef test_it")
    assert "baseline:" not in told(project(skipped, "--cowmem-update", app="bare:busy"))
    assert len(entries()) == 1
    assert "baseline: removed" in told(project(plain, "--cowmem-update", app="bare:busy"))
    assert entries() == []


def test_a_body_that_asks_for_the_worker_is_refused(project):
    body = SHOP + "def test_it(request):\n    request.getfixturevalue('cow_worker')\n"
    result = project(body, "-k", "test_it", app="bare:busy")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*before the test's body begins: *"])
