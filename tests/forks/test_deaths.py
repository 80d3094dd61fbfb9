"""An error names what failed: a worker, a zygote or an app. The next round is not affected."""

import os
import signal

import psutil
import pytest

from pytest_cowmem.host.waiting import ended
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import AppFailed, WorkerDied, ZygoteDied


@pytest.fixture
def mortal(zygotes):
    return zygotes.get(App("bare:dies"))


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/kill", "was killed by SIGKILL"),
        ("/segfault", "was killed by SIGSEGV"),
        ("/realtime", "was killed by signal 35"),
        ("/_exit", "exited with code 3"),
        ("/exit", "exited with code 4"),
        ("/exit_with_words", "exited with code 1"),
    ],
)
def test_a_worker_that_ends_fails_its_request(mortal, talk, path, end):
    told = f"the worker {end} while serving GET {path}$"
    with talk(mortal) as client:
        client.get("/fine")
        for request in (path, "/fine"):
            with pytest.raises(WorkerDied, match=told):
                client.get(request)
    with talk(mortal) as client:
        assert client.get("/fine").status_code == 200


def test_a_worker_that_ends_in_a_burst_or_a_call(mortal, talk):
    in_burst = "SIGKILL while serving PUT /kill, 5 times"
    with talk(mortal) as client, pytest.raises(WorkerDied, match=in_burst):
        client.burst("PUT", "/kill", times=5)
    in_call = "exited with code 7 while calling os:_exit"
    with talk(mortal) as client, pytest.raises(WorkerDied, match=in_call):
        client.call("os:_exit", 7)


def test_words_given_to_exit_are_shown(mortal, talk, capsys):
    with talk(mortal) as client, pytest.raises(WorkerDied):
        client.get("/exit_with_words")
    assert "out of stock" in capsys.readouterr().err


def test_a_worker_that_ends_between_requests(mortal, talk):
    with talk(mortal) as client:
        client.get("/fine")
        os.kill(client.current_round().pair.worker, signal.SIGTERM)
        with pytest.raises(WorkerDied, match="was killed by SIGTERM"):
            client.current_round().finish()


@pytest.mark.parametrize("path", ["/hang", "/spin"])
def test_a_worker_that_hangs_is_killed(mortal, talk, path):
    hung = f"had not answered after 1 s while serving GET {path}, and was killed: .*cowmem_timeout"
    with talk(mortal, timeout=1) as client:
        pid = client.current_round().pair.worker
        with pytest.raises(WorkerDied, match=hung):
            client.get(path)
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", range(1, 65))
def test_every_signal_has_a_name(number):
    text = ended(-number)
    assert text.startswith(("was killed by SIG", f"was killed by signal {number}"))


def kill_within_a_round(talk, zygote):
    with talk(zygote) as client:
        os.kill(zygote.pid, signal.SIGKILL)
        os.waitid(os.P_PID, zygote.pid, os.WEXITED | os.WNOWAIT)
        client.get("/")


def test_a_zygote_that_dies_is_replaced(fresh_zygotes, talk):
    app = App("bare:quiet")
    zygote = fresh_zygotes.get(app)
    assert fresh_zygotes.get(app) is zygote
    died = "the zygote of 'bare:quiet' was killed by SIGKILL; the next test gets a new one"
    with pytest.raises(ZygoteDied, match=died):
        kill_within_a_round(talk, zygote)
    with talk(fresh_zygotes.get(app)) as client:
        assert client.get("/").status_code == 200


def test_a_zygote_that_died_between_rounds(fresh_zygotes, talk):
    zygote = fresh_zygotes.get(App("bare:quiet"))
    os.kill(zygote.pid, signal.SIGTERM)
    os.waitid(os.P_PID, zygote.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ZygoteDied, match="killed by SIGTERM"), talk(zygote):
        pass
    assert fresh_zygotes.get(App("bare:quiet")) is not zygote


def test_a_twin_that_dies_ends_the_zygote_at_once(fresh_zygotes, talk, capsys):
    died = "the zygote of 'bare:quiet' exited with code 1; the next test gets a new one"
    zygote = fresh_zygotes.get(App("bare:quiet"))
    with pytest.raises(ZygoteDied, match=died), talk(zygote) as client:
        client.call("bare:kill_the_twin")
    assert "the idle twin of a worker ended with code -9" in capsys.readouterr().err
    with talk(fresh_zygotes.get(App("bare:quiet"))) as client:
        assert client.get("/").status_code == 200


def broken_app(folder, line):
    (folder / "broken.py").write_text(f"def build():\n    {line}\n\nbuild()\n")
    return App("broken:app", pythonpath=[str(folder)])


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "raise LookupError('no shelf')",
            "LookupError: no shelf(?s:.*)broken.py.*, line 2, in build",
        ),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("1 +", "(?s:.*)SyntaxError: invalid syntax"),
        ("pass", "(?s:.*)module 'broken' has no attribute 'app'"),
    ],
)
def test_an_app_that_cannot_be_imported_shows_its_traceback_once(
    fresh_zygotes, tmp_path, line, cause
):
    app = broken_app(tmp_path, line)
    with pytest.raises(AppFailed, match=f"could not be preloaded: {cause}") as first:
        fresh_zygotes.get(app)
    assert "pytest_cowmem" not in str(first.value)
    with pytest.raises(AppFailed) as second:
        fresh_zygotes.get(app)
    assert "in build" not in str(second.value)
    promised = "its traceback is shown with the first test" in str(second.value)
    assert promised is ("\n" in str(first.value))


def test_an_app_that_ends_its_process_while_importing(fresh_zygotes, tmp_path):
    with pytest.raises(ZygoteDied, match="exited with code 9"):
        fresh_zygotes.get(broken_app(tmp_path, "import os; os._exit(9)"))


def test_an_app_that_takes_too_long_to_import(tmp_path):
    app = broken_app(tmp_path, "import time; time.sleep(600)")
    killed = r"had not answered after 0.5 s, and was killed: .*cowmem_timeout"
    with pytest.raises(AppFailed, match=killed):
        Zygote(app, tmp_path, [], 0.5).wait_for_app()


def test_a_worker_that_closes_its_connection(mortal, talk):
    closed = "closed its connection to the test while serving GET /hang_up"
    with talk(mortal) as client, pytest.raises(WorkerDied, match=closed):
        client.get("/hang_up")
