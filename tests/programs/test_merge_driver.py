"""`cowmem merge --git` as a real git runs it: branches that both updated the baseline merge."""

import os
import subprocess
import sys

import pytest
from recipes import PAGES
from records import entry

from pytest_cowmem.cli import main
from pytest_cowmem.files.baseline import load, rewrite
from pytest_cowmem.model.baseline import Baseline, Profile

FILE = "cowmem-baseline.json"
PAGE = PAGES / "baseline.md"
COWMEM = f"""#!/bin/sh
exec '{sys.executable}' -m pytest_cowmem.cli "$@"
"""


class Repository:
    """A repository with a baseline of three tests, which stand side by side in its file."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / FILE
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("main", a=1, b=1, c=1)

    def git(self, *words, check=True):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=self.folder, check=check, capture_output=True, text=True)

    def commit(self, branch, **private):
        if branch != "main":
            self.git("checkout", "--quiet", "-b", branch, "main")
        self.put(**private)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", branch)

    def put(self, **private):
        tests = {f"t::{name}": entry(private=amount) for name, amount in private.items()}
        rewrite(self.file, lambda _: Baseline({"linux": Profile({}, tests)}))

    def merge(self, *words):
        return self.git("merge", "--no-edit", *words, check=False)

    @property
    def private(self):
        """Private bytes by test, as the file has them."""
        tests = load(self.file).profiles["linux"].tests
        return {test.removeprefix("t::"): it.metrics["private"] for test, it in tests.items()}


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def shown():
    """The commands that the page shows for it."""
    section = PAGE.read_text(encoding="utf-8").partition("## Have git merge it\n")[2]
    return [line[2:] for line in section.partition("\n## ")[0].splitlines() if line[:2] == "$ "]


@pytest.fixture
def driven(repository, tmp_path_factory, monkeypatch):
    """The repository after the commands that the page shows, with `cowmem` on PATH."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "cowmem").write_text(COWMEM)
    (folder / "cowmem").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for command in shown():
        subprocess.run(command, shell=True, cwd=repository.folder, check=True)
    repository.git("add", ".gitattributes")
    repository.git("commit", "--quiet", "--message", "Merge baselines by their tests")
    return repository


def test_the_page_shows_two_commands():
    assert [command.split()[0] for command in shown()] == ["echo", "git"]


def test_two_branches_that_updated_and_added_tests_merge_without_a_hand(driven):
    driven.commit("first", a=2, b=1, c=1, d=4)
    driven.commit("second", a=1, b=3, e=5)
    merge = driven.merge("first")
    assert merge.returncode == 0, merge.stdout + merge.stderr
    assert driven.private == {"a": 2, "b": 3, "d": 4, "e": 5}
    assert driven.git("status", "--porcelain").stdout == ""


def test_without_the_driver_they_do_not(repository):
    repository.commit("first", a=2, b=1, c=1, d=4)
    repository.commit("second", a=1, b=3, e=5)
    assert repository.merge("first").returncode == 1


def test_a_test_that_both_changed_is_a_conflict_which_names_it(driven, capsys):
    driven.commit("first", a=2, b=2, c=1)
    driven.commit("second", a=3, b=1, c=3)
    merge = driven.merge("first")
    assert merge.returncode == 1
    assert "cowmem: both sides changed t::a (linux): take one" in merge.stderr
    assert "t::b" not in merge.stderr
    assert driven.git("status", "--porcelain").stdout.startswith(f"UU {FILE}")
    text = driven.file.read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == 1
    assert main(["compare", str(driven.file), str(driven.file)]) == 2
    assert "has merge conflict markers" in capsys.readouterr().err

    ours, _, rest = text.partition("=======\n")
    driven.file.write_text(ours.replace("<<<<<<< ours\n", "") + rest.partition(">>> theirs\n")[2])
    assert driven.private == {"a": 3, "b": 2, "c": 3}


def test_a_test_that_one_side_removed_and_the_other_changed_is_a_conflict(driven):
    driven.commit("first", b=1, c=1)
    driven.commit("second", a=3, b=1, c=1)
    merge = driven.merge("first")
    assert merge.returncode == 1
    assert "both sides changed t::a" in merge.stderr
    assert "<<<<<<< ours\n" in driven.file.read_text()


def test_a_baseline_that_both_branches_added_is_merged_from_nothing(driven):
    driven.git("rm", "--quiet", FILE)
    driven.git("commit", "--quiet", "--message", "Without a baseline")
    driven.commit("first", a=1)
    driven.commit("second", b=2)
    assert driven.merge("first").returncode == 0
    assert driven.private == {"a": 1, "b": 2}


def test_a_side_that_cannot_be_read_is_merged_as_text_and_looked_at(driven):
    driven.commit("first", a=1, b=1, c=9)
    driven.git("checkout", "--quiet", "-b", "second", "main")
    damaged = driven.file.read_text().replace('"format": 2', '"format": 99')
    driven.file.write_text(damaged)
    driven.git("commit", "--quiet", "--all", "--message", "second")
    merge = driven.merge("first")
    assert merge.returncode == 1
    assert "cowmem: our side: " in merge.stderr
    assert "upgrade pytest-cowmem" in merge.stderr
    assert driven.git("status", "--porcelain").stdout.startswith(f"UU {FILE}")
    assert '"format": 99' in driven.file.read_text()
    assert '"private": 9' in driven.file.read_text()


def test_a_rebase_merges_too(driven):
    driven.commit("first", a=2, b=1, c=1)
    driven.commit("second", a=1, b=3, c=1)
    assert driven.git("rebase", "first", check=False).returncode == 0
    assert driven.private == {"a": 2, "b": 3, "c": 1}


def test_a_driver_without_three_files_says_how_it_is_set_up(capsys):
    assert main(["merge", "--git", FILE]) == 1
    assert "cowmem merge --git %O %A %B" in capsys.readouterr().err
