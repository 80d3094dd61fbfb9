"""What is preloaded, and how: factories, hooks, environment, paths and GC policies in a worker."""

import gc
import os

import pytest

from pytest_cowmem.model.app import App, as_app
from pytest_cowmem.model.errors import AppFailed, UsageError, WorkerDied


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("bare:make()", ["made", 1, None]),
        ("bare:make('named', times=-3)", ["named", -3, None]),
        (
            "bare:make('a:b', nested={'a': [1, (2, None)], 'b': True})",
            ["a:b", 1, {"a": [1, [2, None]], "b": True}],
        ),
    ],
)
def test_a_factory_is_called_with_its_literals(worker, target, made):
    with worker(target) as client:
        assert client.get("/").json() == made


def test_an_attribute_of_an_attribute(worker):
    with worker("bare:Shelf.app") as client:
        assert client.get("/").text == "ok"


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("bare:nothing", "has no attribute 'nothing'"),
        ("bare:make(1, 2)", "takes from 0 to 1 positional arguments"),
    ],
)
def test_what_is_no_app(zygotes, target, cause):
    with pytest.raises(AppFailed, match=cause):
        zygotes.get(App(target))


def test_env_and_hash_seed(worker):
    with worker("bare:quiet", env={"SHELF": "größer"}) as client:
        assert client.call("bare:environment", "SHELF") == "größer"
        assert client.call("bare:environment", "PYTHONHASHSEED") == "0"
        assert client.call("bare:environment", "PYTEST_CURRENT_TEST") is None


def test_pythonpath_is_relative_to_the_root(zygotes, talk, tmp_path):
    (tmp_path / "only_here.py").write_text("from bare import quiet as app\n")
    with talk(zygotes.get(App("only_here:app", pythonpath=[str(tmp_path)]))) as client:
        assert client.get("/").text == "ok"


def test_prepare_runs_in_the_zygote_and_after_fork_in_each_worker(zygotes, talk):
    zygote = zygotes.get(App("bare:quiet", prepare="bare:seed", after_fork="bare:seed_worker"))
    for _ in range(2):
        with talk(zygote) as client:
            seeded, pid, _ = client.call("bare:what_was_seeded")
            assert seeded == [zygote.pid, f"worker {pid}"]
            assert pid != zygote.pid


def test_a_prepare_that_raises_fails_the_app(zygotes):
    with pytest.raises(AppFailed, match=r"LookupError: no such hook(?s:.*)in fail"):
        zygotes.get(App("bare:quiet", prepare="bare:fail"))


def test_an_after_fork_that_raises_fails_the_round(worker, capsys):
    ended = "exited with code 1 while getting ready, in after_fork='bare:fail'"
    with pytest.raises(WorkerDied, match=ended), worker("bare:quiet", after_fork="bare:fail"):
        pass
    assert "LookupError: no such hook" in capsys.readouterr().err


DEFAULT = gc.get_threshold()


@pytest.mark.parametrize(
    ("policy", "on", "thresholds"),
    [
        ("default", True, DEFAULT),
        ("freeze", True, DEFAULT),
        ("off", False, DEFAULT),
        ("50000,20,100", True, (50000, 20, 100)),
        ("5000", True, (5000, *DEFAULT[1:])),
    ],
)
def test_gc_policies_as_the_worker_finds_them(zygotes, talk, policy, on, thresholds):
    zygote = zygotes.get(App("bare:busy", gc=policy))
    with talk(zygote) as client:
        state = client.call("bare:gc_state")
    assert (state["on"], state["thresholds"]) == (on, thresholds)
    assert (state["frozen"] > 20_000) == (policy == "freeze")
    assert (zygote.facts.gc_enabled, zygote.facts.gc_thresholds) == (on, thresholds)


@pytest.mark.parametrize(
    ("prepare", "policy", "left"),
    [
        ("leave_garbage", "default", False),
        ("leave_garbage", "5000", False),
        ("leave_garbage", "off", True),
        ("leave_garbage", "freeze", True),
        ("leave_garbage_and_freeze", "default", True),
    ],
)
def test_a_master_that_collects_has_no_garbage(worker, prepare, policy, left):
    with worker("bare:quiet", prepare=f"bare:{prepare}", gc=policy) as client:
        assert client.call("bare:is_garbage_left") is left


def test_an_apps_own_gc_setting_is_kept(zygotes, talk, tmp_path):
    (tmp_path / "own_gc.py").write_text(
        "import gc\nfrom bare import quiet as app\ngc.disable()\ngc.set_threshold(123)\n"
    )
    with talk(zygotes.get(App("own_gc:app", pythonpath=[str(tmp_path)]))) as client:
        state = client.call("bare:gc_state")
    assert (state["on"], state["thresholds"][0]) == (False, 123)


def test_threads_of_the_zygote_are_named(zygotes, tmp_path):
    (tmp_path / "threaded.py").write_text(
        "import threading\nfrom bare import quiet as app\n"
        "threading.Thread(target=threading.Event().wait, name='sweeper', daemon=True).start()\n"
    )
    threaded = zygotes.get(App("threaded:app", pythonpath=[str(tmp_path)]))
    assert threaded.facts.threads == ("sweeper",)
    assert zygotes.get(App("bare:quiet")).facts.threads == ()


def test_an_app_that_ignores_its_children_can_be_measured(zygotes, talk, measure, tmp_path):
    (tmp_path / "ignores.py").write_text(
        "import signal\nfrom bare import dies as app\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    )
    zygote = zygotes.get(App("ignores:app", pythonpath=[str(tmp_path)]))
    assert measure(zygote, lambda client: client.get("/")).requests == 1
    with talk(zygote) as client, pytest.raises(WorkerDied, match="ended while serving GET /_exit"):
        client.get("/_exit")
    assert measure(zygote, lambda client: client.get("/")).requests == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"env": None}, "env maps names"),
        ({"env": {"A=B": "x"}}, "env maps names"),
        ({"env": {"A": "x\0"}}, "env maps names"),
        ({"pythonpath": None}, "pythonpath is a list"),
        ({"pythonpath": "src"}, "pythonpath is a list"),
        ({"gc": "99999999999999"}, "a gc policy is"),
    ],
)
def test_an_invalid_option_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        App("bare:quiet", **options).checked()


def test_a_cow_app_that_returns_nothing():
    with pytest.raises(UsageError, match="there is no app to preload"):
        as_app(None)


def test_each_zygote_has_a_folder_of_its_own(fresh_zygotes, talk):
    app = App("bare:quiet", env={"SHELF": "sqlite:///$COWMEM_FOLDER/shelf.db"})
    told = []
    for zygote in (fresh_zygotes.get(app), next(fresh_zygotes.others(app))):
        with talk(zygote) as client:
            folder = client.call("bare:environment", "COWMEM_FOLDER")
            assert client.call("bare:environment", "SHELF") == f"sqlite:///{folder}/shelf.db"
        assert os.path.isdir(folder)
        told.append(folder)
    assert len({*told}) == 2
    assert len({*map(len, told)}) == 1
    fresh_zygotes.close()
    assert not any(map(os.path.exists, told))
