"""What-if in whole runs: what is tried, what is said of it, and what the baseline keeps."""

import json
import os
import re
import sys

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.run.what_if import allocators, policies, processors

ALLOCATE = """
import pytest

@pytest.mark.mem_budget({budget})
def test_it(cow_worker):
    for _ in range(3):
        cow_worker.get("/allocate?2000")
        cow_worker.get("/import")
"""
THREADS = """
def test_threads(cow_worker):
    cow_worker.get("/thread")
    assert cow_worker.call("gc:isenabled")
"""


@pytest.fixture(autouse=True)
def compiling(monkeypatch):
    """Byte code is written, as it is for most users."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


def rows(result):
    """The cells of a what-if table by policy."""
    lines = iter(result.outlines)
    for line in lines:
        if line.endswith(", what if"):
            break
    header = re.split(r" {2,}", next(lines).strip())
    next(lines)
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        name, *cells = re.split(r" {2,}", line.strip())
        if not cells:
            return found
        found[name] = dict(zip(header[1:], cells, strict=True))
    raise AssertionError("a table ends with an empty line")


def test_a_test_is_replayed_under_policies_and_the_best_is_told(project, pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    result = project(
        ALLOCATE.format(budget=""), "--cowmem-what-if", "--cowmem-update", app="curable:app"
    )
    result.assert_outcomes(passed=1)
    found = rows(result)
    assert list(found)[:6] == [
        "as configured",
        "collector off",
        "frozen",
        "frozen, 50000,20,100",
        "prewarmed",
        "prewarmed, frozen",
    ]
    assert {"late imports", "malloc"} <= {*found}
    assert ("mimalloc" in found) == (sys.version_info >= (3, 13))
    lasting = {name: int(cells["lasting"].split()[0]) for name, cells in found.items()}
    assert lasting["frozen"] > 1.2 * lasting["as configured"]
    assert "-" in found["late imports"]["private"]
    assert re.search(
        r"follow '.*frozen.*'\. In the long run 1\.00 GiB then holds", str(result.outlines)
    )
    result.stdout.fnmatch_lines(["*gunicorn.conf.py:", "*preload_app = True", "*gc.freeze()"])

    file = pytester.path / "cowmem-baseline.json"
    (profile,) = json.loads(file.read_text())["profiles"].values()
    (kept,) = profile["tests"].values()
    assert "frozen" in kept["what_if"]["policy"]
    assert kept["what_if"]["aged"] < -(2**20)

    red = project(ALLOCATE.format(budget='private="64 KiB"'), app="curable:app")
    red.assert_outcomes(failed=1)
    said = " ".join(red.stdout.str().split())
    assert re.search(r"\* what-if: '.*frozen.*' wins back .* MiB in the long run", said)


def test_what_a_policy_cannot_do_is_told_and_the_others_go_on(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    result = project(THREADS, "--cowmem-what-if", app="curable:app")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "frozen *",
            "malloc *",
            "collector off was not measured: *assert False*",
            "prewarmed was not measured: requests start threads*",
            "prewarmed, frozen was not measured: requests start threads*",
        ]
    )


POSTS = """
def test_posts(cow_worker):
    cow_worker.post("/allocate?1000")
"""


def test_a_test_that_gets_nothing_cannot_be_prewarmed(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    result = project(POSTS, "--cowmem-what-if", app="curable:app")
    found = rows(result)
    assert {"as configured", "frozen"} <= {*found}
    assert not [name for name in found if "prewarmed" in name]
    assert "URLS" not in result.stdout.str()


LEAVES = """
def test_leaves(cow_worker):
    assert cow_worker.get("/count").text == "1"
"""


def test_a_page_that_tells_of_the_one_before_is_asked_for_by_the_body(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    result = project(LEAVES, "--cowmem-what-if", app="curable:app")
    result.stdout.fnmatch_lines(["prewarmed was not measured: *assert '2' == '1'*"])


TWO_APPS = """
import pytest

@pytest.mark.cow_app(env={"BIG": "1"})
def test_one(cow_worker):
    cow_worker.get("/read")

def test_other(cow_worker):
    cow_worker.get("/read")

def test_nothing(cow_worker):
    pass
"""


def test_each_app_is_told_apart_and_a_test_that_asks_for_nothing_is_not_replayed(project):
    result = project(TWO_APPS, "--cowmem-what-if", app="curable:app")
    told = [line for line in result.outlines if ": follow '" in line]
    assert sorted(line.partition(": follow")[0] for line in told) == [
        "curable:app",
        "curable:app, env BIG",
    ]
    replayed = [line for line in result.outlines if line.endswith(", what if")]
    assert [line.rpartition("::")[2] for line in replayed] == [
        "test_one, what if",
        "test_other, what if",
    ]


OWN_ANSWERS = """
def test_it(cow_worker):
    cow_worker.call("os:getpid")
    cow_worker.get("/keep")
"""


WRITE = "    open({!r}, 'a').write('x')\n"


def test_a_body_runs_each_time_where_workers_answer_otherwise(project, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    ran = tmp_path / "ran"
    body = OWN_ANSWERS + WRITE.format(str(ran))
    found = rows(project(body, "--cowmem-what-if"))
    assert {"as configured", "frozen", "prewarmed, frozen"} <= {*found}
    assert len(ran.read_text()) > 2 * len(found)


def test_a_body_runs_once_where_workers_answer_alike(project, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    ran = tmp_path / "ran"
    body = OWN_ANSWERS.replace("os:getpid", "os:getcwd") + WRITE.format(str(ran))
    found = rows(project(body, "--cowmem-what-if"))
    assert {"as configured", "frozen", "prewarmed, frozen"} <= {*found}
    assert len(ran.read_text()) == 2  # measured, and for the script


def test_processors_are_shared_with_other_workers_of_xdist(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    alone = processors()
    assert alone == len(os.sched_getaffinity(0))
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(alone))
    assert processors() == 1
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(10 * alone))
    assert processors() == 1


def names(app, imports=(), thresholds=()):
    return [policy.name for policy in policies(app, imports, thresholds)]


def test_what_an_app_has_already_is_not_tried():
    off, frozen = App("a:b", gc="off"), App("a:b", gc="freeze")
    assert not [name for name in names(off) if "frozen" in name or "collector" in name]
    assert names(frozen)[:3] == ["collector off", "50000,20,100", "prewarmed"]
    assert "frozen, 50000,20,100" not in names(App("a:b", gc="50000,20,100"))
    assert "late imports" not in names(App("a:b"))
    tried = names(App("a:b"), ["late"], ["9,9,9", "50000,20,100"])
    assert tried[2:4] == ["frozen, 50000,20,100", "frozen, 9,9,9"]
    assert "late imports" in tried


def test_an_allocator_that_an_app_has_already_is_not_tried():
    assert (("PYTHONMALLOC", "malloc"),) in [*allocators({})]
    now = [*allocators({"PYTHONMALLOC": "malloc"})]
    assert (("PYTHONMALLOC", "malloc"),) not in now
    assert (("PYTHONMALLOC", "pymalloc"),) in now


@pytest.mark.parametrize(
    ("ini", "says"),
    [
        ("cowmem_host_memory = 0", 'cowmem_host_memory = "4 GiB"'),
        ("cowmem_host_memory = much", 'cowmem_host_memory = "4 GiB"'),
        ("cowmem_what_if_gc = 50000,20", 'cowmem_what_if_gc = ["50000,20,100"]'),
        ("cowmem_what_if_gc = off", 'cowmem_what_if_gc = ["50000,20,100"]'),
    ],
)
def test_a_wrong_setting_is_a_usage_error(project, ini, says):
    result = project(THREADS, ini=ini, app="curable:app")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stderr.str() + result.stdout.str()


WORKERS = """
import pytest

@pytest.mark.mem_budget(workers={workers})
def test_it(cow_worker):
    cow_worker.get("/")
"""


def test_a_budget_of_workers_is_the_fewest_that_a_host_is_to_hold(project):
    ini = "cowmem_host_memory = 64 MiB"
    project(WORKERS.format(workers=2), ini=ini).assert_outcomes(passed=1)
    result = project(WORKERS.format(workers=2000), ini=ini)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*workers is below its budget by *: * of 2,000*"])


def test_a_budget_of_workers_needs_a_host(project):
    result = project(WORKERS.format(workers=2))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert 'cowmem_host_memory = "4 GiB"' in result.stderr.str() + result.stdout.str()


def test_xdist_passes_on_what_was_tried(project, monkeypatch):
    pytest.importorskip("xdist")
    monkeypatch.setenv("COLUMNS", "160")
    result = project(
        ALLOCATE.format(budget=""), "--cowmem-what-if", "-p", "xdist", "-n1", app="curable:app"
    )
    assert {"as configured", "frozen", "prewarmed, frozen"} <= {*rows(result)}
