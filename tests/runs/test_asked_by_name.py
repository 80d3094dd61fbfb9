"""A test may ask for the worker by name, in a fixture: it is measured like any other."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("untraced")

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

@pytest.mark.parametrize("by_parameter", ["client"], indirect=True)
def test_parameter(by_parameter):
    by_parameter.get("/")

def test_name(by_name):
    by_name.get("/")

def test_two_names(by_two_names):
    by_two_names.get("/")

def test_unseen(unseen):
    unseen.get("/")

def test_plain():
    pass
"""
ALL = ["test_parameter", "test_name", "test_two_names", "test_unseen"]


@pytest.fixture
def entries(pytester):
    """`entries()` lists the tests in the project's baseline."""

    def read():
        text = (pytester.path / "cowmem-baseline.json").read_text()
        (profile,) = json.loads(text)["profiles"].values()
        return [test.rpartition("::")[2].partition("[")[0] for test in profile["tests"]]

    return read


def told(result):
    """What a run printed, in one line, since sentences are wrapped to the terminal."""
    return " ".join(result.stdout.str().split())


def rows(result, verdict):
    """The tests in a run's table that have a verdict."""
    names = [line.split()[0] for line in result.outlines if line.endswith(f"  {verdict}")]
    return sorted(name.rpartition("::")[2].partition("[")[0] for name in names if "::" in name)


GROWN = SHOP.replace('.get("/")', '.get("/dirty?512")')  # 2 MiB more


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_what_was_measured_is_never_stale_and_a_regression_is_red(project, entries, workers):
    added = project(SHOP, "--cowmem-update", *workers, app="bare:busy")
    assert rows(added, "new") == sorted(ALL)
    again = project(SHOP, "--cowmem-update", *workers, app="bare:busy")
    assert "baseline:" not in told(again)
    assert sorted(entries()) == sorted(ALL)
    red = project(GROWN, *workers, app="bare:busy")
    red.assert_outcomes(passed=1, failed=4)
    assert rows(red, "regressed") == sorted(ALL)
    assert "stale:" not in told(red)


def test_only_keeps_what_asks_by_name_or_is_in_the_baseline(project):
    before = project(SHOP, "--cowmem-only", app="bare:busy")
    before.assert_outcomes(passed=3, deselected=2)
    assert rows(before, "new") == sorted(ALL[:-1])
    project(SHOP, "--cowmem-update", app="bare:busy")
    after = project(SHOP, "--cowmem-only", app="bare:busy")
    after.assert_outcomes(passed=4, deselected=1)
    assert rows(after, "ok") == sorted(ALL)


def test_a_budget_on_a_test_that_asks_by_name_is_measured(project):
    budget = "pytestmark = pytest.mark.mem_budget(private='1 MiB')\n"
    result = project(GROWN + budget, "-k", "not test_plain", app="bare:busy")
    result.assert_outcomes(failed=4, deselected=1)
    assert rows(result, "over budget") == sorted(ALL)


def test_a_test_that_passes_without_a_worker_has_a_stale_entry(project, entries):
    start = SHOP.partition("@pytest.mark")[0]
    by_name = "def test_it(by_name):\n    by_name.get('/')\n"
    project(start + by_name, "--cowmem-update", app="bare:busy")
    plain = start + "def test_it():\n    pass\n"
    assert "stale:" in told(project(plain, app="bare:busy"))
    skipped = plain.replace("def test_it", "@pytest.mark.skip\ndef test_it")
    assert "baseline:" not in told(project(skipped, "--cowmem-update", app="bare:busy"))
    assert len(entries()) == 1
    assert "baseline: removed" in told(project(plain, "--cowmem-update", app="bare:busy"))
    assert entries() == []


def test_a_body_that_asks_for_the_worker_is_refused(project):
    body = SHOP + "def test_it(request):\n    request.getfixturevalue('cow_worker')\n"
    result = project(body, "-k", "test_it", app="bare:busy")
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(["*before the test's body begins: *"])
