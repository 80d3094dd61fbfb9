"""Under pytest-xdist: the verdicts of a plain run, one summary, one writer of the baseline."""

import json
import os
import shutil

import pytest
from records import ENVIRONMENT, MIB, entry

from pytest_cowmem.host.machine import profile_key
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.baseline_text import dumps

TESTS = """
import os

import pytest

@pytest.mark.parametrize("times", [1, 2, 30])
def test_quiet(cow_worker, times):
    cow_worker.burst("GET", "/", times=times)

@pytest.mark.mem_budget(private="4 KiB")
def test_over(cow_worker):
    cow_worker.get("/")

@pytest.mark.cow_app(gc="freeze")
def test_frozen(cow_worker):
    if os.environ.get("DIES"):
        os._exit(3)
    cow_worker.get("/")
"""


GONE = "test_quiet.py::test_gone"


@pytest.fixture
def run(pytester):
    pytester.makeini("[pytest]\ncowmem_app = quiet:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(
        quiet="def app(e, start):\n    start('200 OK', [])\n    return [bytes(100_000)]\n",
        test_quiet=TESTS,
    )
    profile = Profile(ENVIRONMENT, {GONE: entry(private=MIB)})
    baseline = Baseline({profile_key(os.environ): profile})
    (pytester.path / "cowmem-baseline.json").write_text(dumps(baseline))
    options = ("--cowmem", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return lambda *args: pytester.runpytest(*options, *args)


def verdicts(result):
    """Each test with its verdict, in the order in which the summary's table shows them."""
    lines = [line for line in result.outlines if line.startswith("test_quiet::")]
    return [(line.split()[0], line.rpartition("  ")[2]) for line in lines]


def recorded(pytester):
    """The tests that the baseline file has."""
    path = pytester.path / "cowmem-baseline.json"
    (profile,) = json.loads(path.read_text())["profiles"].values()
    return set(profile["tests"])


IN_PLACES = ("--dist", "each", "--tx", "popen", "--tx", "popen//chdir={copy}")


@pytest.mark.parametrize(
    "options",
    [("-n", "2"), ("-n", "2", "--dist", "worksteal"), ("-n", "2", "--dist", "loadfile"), IN_PLACES],
    ids=["load", "worksteal", "loadfile", "each, one in a copy of the tree"],
)
def test_the_same_verdicts_in_the_same_order_and_one_summary(run, pytester, tmp_path, options):
    copy = shutil.copytree(pytester.path, tmp_path / "copy")
    spread = run(*(option.format(copy=copy) for option in options))
    assert verdicts(spread) == [
        ("test_quiet::test_quiet[1]", "new"),
        ("test_quiet::test_quiet[2]", "new"),
        ("test_quiet::test_quiet[30]", "new"),
        ("test_quiet::test_over", "over budget"),
        ("test_quiet::test_frozen", "new"),
    ]
    assert spread.stdout.str().count("= cowmem =") == 1
    spread.stdout.fnmatch_lines([f"stale: {GONE} *"])
    assert spread.ret == pytest.ExitCode.TESTS_FAILED


def test_the_controller_alone_writes_the_baseline(run, pytester):
    run("-n", "2", "--cowmem-update").stdout.fnmatch_lines(["baseline: added *"])
    assert len(recorded(pytester)) == 5
    assert GONE not in recorded(pytester)
    assert list(pytester.path.glob(".cowmem*")) == []


@pytest.mark.parametrize(
    ("dies", "option"), [("", "--maxfail=1"), ("1", "--max-worker-restart=0")], ids=["red", "dead"]
)
def test_a_run_that_stops_early_says_so_and_calls_nothing_stale(
    run, pytester, monkeypatch, dies, option
):
    monkeypatch.setenv("DIES", dies)
    stopped = run("-n", "2", option, "--cowmem-report", "run.json")
    stopped.stdout.fnmatch_lines(["incomplete: not all tests ran *"])
    stopped.stdout.no_fnmatch_line("stale: *")
    failures = json.loads((pytester.path / "run.json").read_text())["failures"]
    assert [one["place"] for one in failures] == (["test_quiet.py:13"] if dies else [])
