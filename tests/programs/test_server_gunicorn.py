"""The user's gunicorn as the master: its workers are measured as the zygote's are."""

import os
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from folders import APPS

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import has_ended
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import AppFailed, CannotMeasure, UsageError, WorkerDied, ZygoteDied

KEPT = 1 << 20  # by served:keep
HOOKS = """
from served import note

preload_app = True
max_requests = 2


def when_ready(server):
    note("when_ready")


def post_fork(server, worker):
    note("post_fork")


def post_worker_init(worker):
    note("post_worker_init")
"""


def gunicorn(target="served:app", args="", **options):
    env = {"GUNICORN_CMD_ARGS": f"--preload {args}"}
    return App(target, server="gunicorn", env=env, **options)


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """A gunicorn with sync workers and a configuration file with hooks."""
    folder = tmp_path_factory.mktemp("configured")
    (folder / "gunicorn.conf.py").write_text(HOOKS)
    app = App(
        "served:app",
        server="gunicorn",
        preload=["colorsys"],
        prepare="served:prepare",
        after_fork="served:after_fork",
    )
    with closing(Zygotes(folder, [str(APPS)], 60)) as masters:
        yield masters.get(app)


@pytest.mark.parametrize(
    ("target", "workers"),
    [
        ("served:app", "--threads=2"),
        ("served:app", f"--config={APPS / 'gevent_conf.py'}"),
        ("served:asgi", "--worker-class=asgi"),
        ("served:asgi", "--worker-class=uvicorn_worker.UvicornWorker"),
    ],
    ids=["gthread", "gevent", "asgi", "uvicorn"],
)
def test_a_worker_of_each_kind_is_charged_with_what_it_keeps(
    fresh_zygotes, measure, target, workers
):
    def body(client):
        assert client.get("/hello").text == "hello"
        for _ in range(2):
            assert client.get("/keep").text == "kept"
        if target == "served:asgi":
            assert client.get("/noted").text == "lifespan"

    master = fresh_zygotes.get(gunicorn(target, workers))
    assert master.facts.interface == target.partition(":")[2].replace("app", "wsgi")
    sample = measure(master, body)
    later = sample.values["private"] - sample.values["first"]
    assert 2 * KEPT <= later <= 2.5 * KEPT


def test_the_users_hooks_run_before_the_harness_asks_for_anything(configured, talk):
    with talk(configured) as client:
        noted = client.get("/noted").text.split()
    assert noted == ["prepare", "when_ready", "post_fork", "post_worker_init", "after_fork"]


def test_a_worker_outlives_what_the_configuration_lets_it_serve(configured, talk):
    with talk(configured) as client:
        assert client.burst("GET", "/hello", times=5).text == "hello"
        assert client.current_round().requests == 5


def test_each_round_has_a_pair_of_its_own(configured, talk):
    pairs = []
    for _ in range(2):
        with talk(configured) as client:
            pair = client.current_round().pair
            assert procfs.state(pair.twin) == procfs.state(configured.pid) == "T"
            pairs.append({pair.worker, pair.twin})
        assert all(procfs.is_ending(pid) for pid in pairs[-1])
    assert len(set.union(*pairs)) == 4


def test_collections_of_the_worker_are_counted(configured, measure):
    sample = measure(configured, lambda client: client.get("/collect"), aging=True)
    assert sample.values["gc_collections_2"] == 1
    assert sample.values["gc_full"] > 0
    assert sample.values["aged"] >= sample.values["uss"]


def test_a_leak_is_told_by_the_zygote(project):
    run = project(
        """
        import pytest

        @pytest.mark.mem_budget(growth="64 B")
        @pytest.mark.cow_app(server="gunicorn")
        def test_keep(cow_worker):
            cow_worker.burst("GET", "/keep", times=24)
        """,
        app="served:app",
    )
    run.assert_outcomes(failed=1)
    told = " ".join("".join(run.outlines).split())
    assert "growth is over budget by 1.00 MiB" in told
    assert "the built-in zygote was asked for the rest: growth" in told


def test_a_worker_for_which_gunicorn_ends_harms_no_other_test(project):
    run = project(
        """
        import pytest

        pytestmark = pytest.mark.cow_app(server="gunicorn")

        def test_exits(cow_worker):
            cow_worker.get("/halt")

        def test_next(cow_worker):
            assert cow_worker.get("/hello").text == "hello"
        """,
        app="served:app",
    )
    run.assert_outcomes(failed=1, passed=1)
    assert "the worker exited with code 3 while serving GET /halt" in "".join(run.outlines)


def test_a_worker_that_dies_is_named_and_the_next_one_works(configured, talk):
    with (
        talk(configured) as client,
        pytest.raises(WorkerDied, match="SIGSEGV while serving GET /die"),
    ):
        client.get("/die")
    with talk(configured) as client:
        assert client.get("/hello").text == "hello"


def test_a_fork_that_a_worker_leaves_is_refused_and_ended(configured, talk):
    with talk(configured) as client:
        before = {*procfs.descendants(configured.pid)}
        client.get("/leave_a_fork")
        with pytest.raises(CannotMeasure, match="1 live forks of its own"):
            client.current_round().finish()
        left = {*procfs.descendants(configured.pid)} - before
    assert len(left) == 1
    assert all(procfs.is_ending(pid) for pid in left)


def test_functions_are_called_in_the_zygote_alone(configured, talk):
    with talk(configured) as client, pytest.raises(CannotMeasure, match="measure this test in the"):
        client.call("served:hello")


def test_requests_come_one_at_a_time(configured, talk):
    with talk(configured) as client, pytest.raises(UsageError, match="one request at a time"):
        client.burst("GET", "/hello", times=2, concurrency=2)


def test_modules_are_preloaded_before_the_app(configured):
    ((module, size, count),) = configured.facts.brought
    assert (module, count) == ("colorsys", 1)
    assert size >= 0


def test_a_policy_is_followed_before_the_fork(fresh_zygotes, talk):
    master = fresh_zygotes.get(gunicorn(gc="freeze"))
    assert master.facts.gc_enabled
    assert master.facts.gc_frozen > 10_000
    with talk(master) as client:
        assert client.get("/collects").text == "True"


def test_nothing_is_left_behind(monkeypatch, talk):
    with TemporaryDirectory() as temporary:
        monkeypatch.setattr("tempfile.tempdir", temporary)
        with closing(Zygotes(APPS, [], 60)) as masters:
            master = masters.get(gunicorn())
            with talk(master) as client:
                client.get("/hello")
                processes = {master.pid, *procfs.descendants(master.pid)}
                (socket,) = Path(temporary).glob("*/http")
                assert socket.is_socket()
                assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert len(processes) == 3
        assert all(has_ended(pid) for pid in processes)
        assert os.listdir(temporary) == []


def test_a_configuration_that_does_not_preload_is_told_of(fresh_zygotes):
    app = App("served:app", server="gunicorn", env={"GUNICORN_CMD_ARGS": "--threads=1"})
    (note,) = fresh_zygotes.get(app).notes
    assert "set preload_app = True" in note


@pytest.mark.parametrize(
    ("target", "args", "said"),
    [
        ("served:broken()", "", "RuntimeError: no database"),
        ("served:app", "--worker-class=unheard_of", "gunicorn ended with code 1: its log"),
    ],
    ids=["app", "configuration"],
)
def test_what_keeps_gunicorn_from_starting_is_said(fresh_zygotes, target, args, said):
    with pytest.raises(AppFailed, match=said):
        fresh_zygotes.get(gunicorn(target, args))


def test_a_worker_that_cannot_boot_is_an_error(fresh_zygotes, talk):
    master = fresh_zygotes.get(gunicorn(after_fork="served:no_such_function"))
    with pytest.raises(ZygoteDied, match="before its workers were ready"), talk(master):
        pass


def test_a_run_shows_gunicorns_log_and_who_was_measured(project):
    run = project(
        """
        import pytest

        pytestmark = pytest.mark.cow_app(server="gunicorn")

        def test_hello(cow_worker):
            cow_worker.get("/hello")

        def test_why(cow_worker):
            for _ in range(3):
                cow_worker.get("/keep")
            assert "served.py" in cow_worker.explain().lines[0].place
            assert False
        """,
        app="served:app",
    )
    run.stdout.fnmatch_lines(
        [
            "*Captured stderr call*",
            "*Booting worker with pid*",
            "*gunicorn served:app, server gunicorn: * resident",
        ]
    )
    run.stdout.no_fnmatch_line("*out of memory*")


def test_without_gunicorn_the_error_says_what_to_install(zygotes, monkeypatch):
    monkeypatch.setitem(sys.modules, "gunicorn", None)
    with pytest.raises(UsageError, match=r"pip install pytest-cowmem\[gunicorn\]"):
        zygotes.get(gunicorn())
