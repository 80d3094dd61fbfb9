"""Under `--dist loadgroup` pytest-xdist appends "@group" to test ids; baselines have plain ones."""

import json

import pytest

TESTS = """
import pytest

pytestmark = pytest.mark.xdist_group("database")

@pytest.mark.parametrize("address", ["a@b", "c"])
def test_grouped(cow_worker, address):
    cow_worker.get("/")

@pytest.mark.mem_budget(private="4 KiB")
def test_over(cow_worker):
    cow_worker.get("/")
"""
FRAGILE = """
import pytest

@pytest.fixture
def fragile(cow_worker):
    yield
    raise OSError("late")
"""
IDS = {
    "test_groups.py::test_grouped[a@b]",
    "test_groups.py::test_grouped[c]",
    "test_groups.py::test_over",
}
GROUPED, PLAIN = ("-n", "2", "--dist", "loadgroup"), ()


@pytest.fixture
def run(pytester):
    pytester.makeini("[pytest]\ncowmem_app = quiet:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(
        quiet="def app(e, start):\n    start('200 OK', [])\n    return [bytes(100_000)]\n",
        test_groups=TESTS,
    )
    options = ("--cowmem", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return lambda *args: pytester.runpytest(*options, *args)


def recorded(pytester):
    """The ids of the tests in the baseline file."""
    text = (pytester.path / "cowmem-baseline.json").read_text()
    (profile,) = json.loads(text)["profiles"].values()
    return set(profile["tests"])


@pytest.mark.parametrize(
    ("recording", "comparing"), [(PLAIN, GROUPED), (GROUPED, PLAIN)], ids=["plain", "grouped"]
)
def test_a_baseline_serves_runs_with_and_without_groups(run, pytester, recording, comparing):
    run(*recording, "--cowmem-update=all")
    assert recorded(pytester) == IDS
    rows = [line for line in run(*comparing, "--cowmem-strict").outlines if "groups::" in line]
    verdicts = [row.rpartition("  ")[2] for row in rows if not row.startswith("FAILED")]
    assert sorted(verdicts) == ["ok", "ok", "over budget"]  # and neither "new" nor stale
    assert not any("@database" in row for row in rows if not row.startswith("FAILED"))


def test_a_test_that_fails_after_it_was_measured_is_not_recorded(run, pytester):
    pytester.makeconftest(FRAGILE)
    pytester.makepyfile(
        test_groups=TESTS.replace("cow_worker, address", "cow_worker, address, fragile")
    )
    run(*GROUPED, "--cowmem-update=all")
    assert recorded(pytester) == {"test_groups.py::test_over"}
