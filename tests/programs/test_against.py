"""`cowmem against`: real runs of pytest in real repositories, with apps of a few lines."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from repositories import git, repository, write

COMMAND = [sys.executable, "-m", "pytest_cowmem.cli", "against"]
PLAIN = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
APP = """
ROWS = [[number] for number in range(20_000)]

def app(environ, start_response):
    {reads}
    start_response("200 OK", [])
    return [b"ok"]
"""
BEFORE, NOW = APP.format(reads="pass"), APP.format(reads="[row[0] for row in ROWS]")
INI = "[pytest]\ncowmem_app = {app}\ncowmem_rounds = 1\ncowmem_strict = true\npythonpath = .\n"
READS = "def test_reads(cow_worker):\n    cow_worker.get('/')\n"
NEW = "from shop import LATER\n\ndef test_new(cow_worker):\n    cow_worker.get(LATER)\n"


def started(folder, *arguments, **environ):
    """The command in a folder, with the variables of the environment."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def against(folder, *arguments, **environ):
    """(its exit code, what it printed, its errors)."""
    process = started(folder, *arguments, **environ)
    out, errors = process.communicate(timeout=300)
    return process.returncode, out, errors


def verdicts(report):
    return {one["test"]: one["verdict"] for one in json.loads(report.read_text())["records"]}


def left_behind(folder):
    """What git knows of other checkouts."""
    return git(folder, "worktree", "list").splitlines()[1:], [*folder.glob(".git/worktrees/*")]


@pytest.fixture
def shop(tmp_path):
    """A repository whose app has grown since its commit, and whose tests have too."""
    folder = repository(
        tmp_path / "shop",
        {
            "shop.py": BEFORE,
            "pytest.ini": "[pytest]\ncowmem_app = shop:none\n",
            "tests/test_gone.py": "raise SystemExit\n",
            "tests/conftest.py": "raise SystemExit\n",
        },
    )
    (folder / "tests" / "test_gone.py").unlink()
    helper = {"tests/helper.py": "", "tests/conftest.py": "import helper\n"}
    write(
        folder, {"shop.py": NOW + "\nLATER = '/later'\n", "pytest.ini": INI.format(app="shop:app")}
    )
    write(folder, {"tests/test_memory.py": READS, "tests/test_new.py": NEW, **helper})
    return folder


def test_the_present_tests_hold_the_present_code_to_that_of_a_commit(shop):
    code, out, errors = against(shop, "main", *PLAIN, "--cowmem-report=run.json", CI="true")
    assert code == 1
    assert verdicts(shop / "run.json") == {
        "tests/test_memory.py::test_reads": "regressed",
        "tests/test_new.py::test_new": "new",
    }
    head = git(shop, "rev-parse", "HEAD")
    report = json.loads((shop / "run.json").read_text())
    assert report["base"] == {"id": head, "differs": False}
    assert report["head"] == {"id": head, "differs": True}
    assert [one["failed"] for one in report["records"]] == [True, False]
    assert f"cowmem: measuring main ({head[:10]}) ...\n" in errors
    assert errors.count("test_new") == 1  # it is said once that it fails with the old code
    assert "to accept" not in out
    assert not (shop / "cowmem-baseline.json").exists()
    assert left_behind(shop) == ([], [])


def test_a_src_layout_in_a_subfolder_is_compared_under_xdist_and_is_the_same(tmp_path):
    files = {
        "service/src/shop.py": BEFORE,
        "service/pytest.ini": INI.format(app="shop:app"),
        "service/tests/test_memory.py": READS,
    }
    folder = repository(tmp_path / "mono", files) / "service"
    src = str(folder / "src")  # as of an editable install
    path = os.pathsep.join(filter(None, [src, os.environ.get("PYTHONPATH")]))
    options = (*PLAIN, "-n", "1", f"--cowmem-report={tmp_path}/run.json")
    code, out, errors = against(folder, "HEAD", *options, PYTHONPATH=path)
    assert (code, verdicts(tmp_path / "run.json")) == (
        0,
        {"tests/test_memory.py::test_reads": "ok"},
    ), out + errors
    assert left_behind(folder.parent) == ([], [])


def test_it_leaves_nothing_behind_where_it_is_told_to_end(shop, tmp_path):
    waits = "import pathlib, time\npathlib.Path({!r}).touch()\ntime.sleep(60)\n"
    write(shop, {"tests/conftest.py": waits.format(str(tmp_path / "began"))})
    process = started(shop, "main", *PLAIN)
    while not (tmp_path / "began").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert left_behind(shop) == ([], [])


def test_where_nothing_is_measured_with_the_old_code_it_says_why(shop):
    write(shop, {"tests/test_memory.py": "import shop.later\n" + READS, "tests/test_new.py": ""})
    write(shop, {"shop/__init__.py": NOW, "shop/later.py": ""})
    (shop / "shop.py").unlink()
    code, out, errors = against(shop, "main", *PLAIN)
    assert (code, out) == (4, "")
    assert "No module named 'shop.later'" in errors  # what pytest printed
    assert "nothing was measured with the code of main: a checkout of a commit has" in errors
    assert left_behind(shop) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-branch"], "name one that this clone has, or fetch it"),
        (["main", "--cowmem-update=all"], "leave out --cowmem-update"),
        (["main", "--cowmem-baseline", "a.json"], "leave out --cowmem-baseline"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_mend(shop, arguments, said):
    code, out, errors = against(shop, *arguments)
    assert (code, out) == (4, "")
    assert said in errors


def test_a_shallow_clone_is_said_to_be_one(shop, tmp_path):
    git(shop, "add", "--all")
    git(shop, "commit", "-qm", "two")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{shop}", "shallow")
    code, _, errors = against(tmp_path / "shallow", "HEAD~1")
    assert (code, "git fetch --unshallow gets the rest" in errors) == (4, True)
