"""Under pytest-xdist: the verdicts of a plain run, one summary, one writer of the baseline."""

import json

import pytest

TESTS = """
import pytest

@pytest.mark.parametrize("times", [1, 2, 30])
def test_quiet(cow_worker, times):
    cow_worker.burst("GET", "/", times=times)

@pytest.mark.mem_budget(private="4 KiB")
def test_over(cow_worker):
    cow_worker.get("/")
"""


@pytest.fixture
def run(pytester):
    pytester.makeini("[pytest]\ncowmem_app = quiet:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(
        quiet="def app(e, start):\n    start('200 OK', [])\n    return [bytes(100_000)]\n",
        test_quiet=TESTS,
    )
    options = ("--cowmem", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return lambda *args: pytester.runpytest(*options, *args)


def verdicts(result):
    """Return each test's verdict, as the summary's table shows it."""
    lines = [line for line in result.outlines if line.startswith("test_quiet::")]
    return {line.split()[0]: line.rpartition("  ")[2] for line in lines}


def test_the_same_verdicts_and_one_summary(run):
    plain, spread = run(), run("-n", "2")
    assert len(verdicts(plain)) == 4
    assert verdicts(spread) == verdicts(plain)
    assert spread.stdout.str().count("= cowmem =") == 1
    assert spread.ret == plain.ret == 1


def test_the_controller_alone_writes_the_baseline_and_knows_what_is_stale(run, pytester):
    run("-n", "2", "--cowmem-update").stdout.fnmatch_lines(["baseline: added *"])
    path = pytester.path / "cowmem-baseline.json"
    (profile,) = json.loads(path.read_text())["profiles"].values()
    assert len(profile["tests"]) == 4
    pytester.makepyfile(test_quiet=TESTS.replace("30]", "]"))
    run("-n", "2").stdout.fnmatch_lines(["stale: test_quiet.py::test_quiet?30? *"])
    assert list(pytester.path.glob(".cowmem*")) == []
