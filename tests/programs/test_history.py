"""`cowmem history` over the commits of real repositories."""

import json
import subprocess
import sys

import pytest
from records import CONDITIONS, ENVIRONMENT, MIB, entry
from repositories import commit, git, repository

from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.baseline_text import dumps

COMMAND = [sys.executable, "-m", "pytest_cowmem.cli", "history"]
NAME = "cowmem-baseline.json"
FIRST_FORMAT = {
    "format": 1,
    "profiles": {
        CONDITIONS.profile: {
            "environment": {},
            "tests": {
                "t.py::test_a": {
                    "metrics": {"private": MIB},
                    "gc": "default",
                    "layout": "here",
                    "source": "s",
                    "spread": {},
                    "rounds": 3,
                }
            },
        }
    },
}


def baseline(**private):
    """A file's text, by the private bytes of tests."""
    tests = {f"t.py::test_{name}": entry(private=amount) for name, amount in private.items()}
    return dumps(Baseline({CONDITIONS.profile: Profile(ENVIRONMENT, tests)}))


def told(folder, *arguments):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


def points(folder, *arguments):
    """What each test had, with the subject of each commit."""
    data = json.loads(told(folder, *arguments, "--json").stdout)
    subjects = {one["commit"]: one["subject"] for one in data["commits"]}
    return {
        test: [(subjects[one["commit"]], one["private"] // MIB) for one in series]
        for test, series in data["profiles"][CONDITIONS.profile].items()
    }


@pytest.fixture
def main(tmp_path):
    """A baseline in the first format, then renamed, damaged, and changed by a merged branch."""
    folder = repository(tmp_path / "shop", {"old.json": json.dumps(FIRST_FORMAT)})
    git(folder, "mv", "old.json", NAME)
    git(folder, "commit", "-qm", "rename")
    commit(folder, {NAME: baseline(a=2 * MIB)}, "two")
    git(folder, "switch", "-qc", "branch")
    commit(folder, {NAME: baseline(a=8 * MIB)}, "on the branch")
    commit(folder, {NAME: baseline(a=3 * MIB, b=MIB)}, "on the branch again")
    git(folder, "switch", "-q", "main")
    commit(folder, {"other": ""}, "another file")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge the branch", "branch")
    commit(folder, {NAME: "<<<<<<< HEAD"}, "damaged")
    git(folder, "rm", "-q", NAME)
    git(folder, "commit", "-qm", "gone")
    return commit(folder, {NAME: baseline(a=4 * MIB, b=MIB)}, "back\x01 again")


def test_each_commit_of_the_main_line_is_a_point_and_a_renamed_file_is_followed(main):
    assert points(main)["t.py::test_a"] == [
        ("one", 1),
        ("rename", 1),
        ("two", 2),
        ("merge the branch", 3),
        ("back\x01 again", 4),
    ]


def test_a_range_and_a_pattern_pick_commits_and_tests(main):
    assert points(main, "HEAD~3", "--test", "test_a") == {
        "t.py::test_a": [("one", 1), ("rename", 1), ("two", 2), ("merge the branch", 3)]
    }
    assert points(main, "branch~2..branch", "--test", "*_b") == {
        "t.py::test_b": [("on the branch again", 1)]
    }


def test_a_version_that_cannot_be_read_is_left_out_and_told_of(main):
    done = told(main)
    assert done.returncode == 0
    damaged = git(main, "rev-parse", "--short=10", "HEAD~2")
    assert done.stderr == (
        f"cowmem: left out: the baseline {NAME} at {damaged} has merge conflict markers\n"
    )
    assert "+1.00 MiB t::test_a" in done.stdout


def test_a_page_is_written(main, tmp_path):
    assert told(main, "-o", f"{tmp_path}/history.html").returncode == 0
    assert (tmp_path / "history.html").read_text().count("<svg") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--baseline", "no.json"], "git has no version of no.json at HEAD: commit it"),
        (["--test", "no_such"], "no test fits 'no_such'"),
        (["no-branch"], "name a file in a clone, and a commit that it has"),
        (["-o", "no/such/folder.html"], "give another place"),
    ],
)
def test_what_has_no_history_is_refused_with_the_mend(main, arguments, said):
    done = told(main, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_outside_of_a_clone_there_is_none(tmp_path):
    done = told(tmp_path)
    assert (done.returncode, "not a git repository" in done.stderr) == (1, True)
