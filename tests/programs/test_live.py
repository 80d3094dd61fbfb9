"""`cowmem live` beside real masters, and beside processes that are none."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from servers import START_SECONDS, gunicorn

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import wait_until_blocked

COMMAND = [sys.executable, "-m", "pytest_cowmem.cli", "live"]
WORKERS = 3
STRANGER = 65_533  # a user id that owns nothing
CELERY = """
import celery
app = celery.Celery("tasks", broker="filesystem://")
folders = {"data_folder_in": "queue", "data_folder_out": "queue"}
app.conf.broker_transport_options = folders
"""
MULTIPROCESSING = """
import multiprocessing, signal, sys
if __name__ == "__main__":
    processes = multiprocessing.get_context(sys.argv[1])
    for _ in range(3):
        processes.Process(target=signal.pause).start()
"""
UWSGI = "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"
WAITS = [sys.executable, "-c", "input()"]
# Its worker has changed its user, so that the kernel lets nobody but root read it.
DROPS = f"""
import os, signal
if not os.fork():
    os.setuid({STRANGER})
signal.pause()
"""
STRANGE = f"""
import os
from pytest_cowmem.cli import main
os.setgroups([])
os.setuid({STRANGER})
raise SystemExit(main())
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become other users")


def live(*arguments, **options):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, **options
    )


def told(pid):
    return json.loads(live(pid, "--json").stdout)


@contextmanager
def started(command, folder, ready):
    """The process id of a program; all that it started are killed at the end."""
    nothing = subprocess.DEVNULL
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=nothing,
        stderr=nothing,
        start_new_session=True,
    ) as server:
        try:
            give_up = time.monotonic() + START_SECONDS
            while not ready(server.pid):
                assert server.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.01)
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def waits(pid):
    return procfs.state(pid) == "S"


def has_dropped(pid):
    return [os.stat(f"/proc/{fork}").st_uid for fork in procfs.forks(pid)] == [STRANGER]


def has_workers(pid):
    return len(procfs.forks(pid)) == WORKERS


def check(pid):
    """Each worker has a row, and they share more than they have for themselves."""
    workers = set(procfs.forks(pid))
    wait_until_blocked(*workers)
    found = told(pid)
    roles = {one["pid"]: one["role"] for one in found["processes"]}
    assert roles == {pid: "master"} | dict.fromkeys(workers, "worker")
    assert found["programs"] == []
    for one in found["processes"]:
        memory = procfs.memory(one["pid"])
        assert one["uss"] == pytest.approx(memory.uss, rel=0.02, abs=2**16)
        assert 0 <= one["age"] < START_SECONDS + 60
        assert one["shared"] > one["uss"]


def test_each_worker_has_a_row_with_what_the_kernel_says(tmp_path):
    with gunicorn("bare:busy", tmp_path, workers=WORKERS) as server:
        wait_until_blocked(*server.workers)
        arguments = (server.master, "--json", "--host-memory", "4 GiB")
        found = json.loads(live(*arguments).stdout)
        rows = {one["pid"]: one for one in found["processes"]}
        assert [next(iter(rows)), *sorted([*rows][1:])] == [server.master, *server.workers]
        assert {one["role"] for one in found["processes"][1:]} == {"worker"}
        for pid, row in rows.items():
            memory = procfs.memory(pid)
            assert row["uss"] == pytest.approx(memory.uss, rel=0.02)
            assert row["rss"] == pytest.approx(memory.rss, rel=0.02)
            assert row["shared"] + row["uss"] == row["rss"]
            assert row["private"] <= row["uss"]
        assert found["pss"] == pytest.approx(sum(one["pss"] for one in rows.values()))
        each = sum(rows[pid]["uss"] for pid in server.workers) / WORKERS
        rest = found["pss"] - WORKERS * each
        assert found["workers"] == pytest.approx((2**32 - rest) / each, abs=1)
        text = live(server.master, "--host-memory", "4 GiB").stdout
        (said,) = re.findall(r"4\.00 GiB holds (\d+) workers", text)
        assert int(said) == pytest.approx(found["workers"], rel=0.02)  # of another reading


def test_celery_is_a_master(tmp_path):
    pytest.importorskip("celery")
    (tmp_path / "queue").mkdir()
    (tmp_path / "tasks.py").write_text(CELERY)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork"]
    with started([*command, f"--concurrency={WORKERS}"], tmp_path, has_workers) as pid:
        check(pid)


def test_uwsgi_is_a_master(tmp_path):
    pytest.importorskip("pyuwsgi")
    (tmp_path / "app.py").write_text("kept = list(range(500_000))\ndef application(*_): return []")
    command = [sys.executable, "-c", UWSGI, "--master", f"--processes={WORKERS}"]
    command += ["--socket", str(tmp_path / "socket"), "--wsgi-file", "app.py"]
    with started(command, tmp_path, has_workers) as pid:
        check(pid)


def test_a_process_that_forks_by_multiprocessing_is_a_master(tmp_path):
    with started([sys.executable, "-c", MULTIPROCESSING, "fork"], tmp_path, has_workers) as pid:
        check(pid)


def test_a_forkserver_is_pointed_to(tmp_path):
    (tmp_path / "forks.py").write_text(MULTIPROCESSING)

    def ready(pid):
        return any(map(has_workers, procfs.descendants(pid)))

    with started([sys.executable, "forks.py", "forkserver"], tmp_path, ready) as pid:
        (server,) = filter(has_workers, procfs.descendants(pid))
        (program,) = told(pid)["programs"]
        assert (program["pid"], program["forks"]) == (server, WORKERS)
        text = live(pid).stdout
        assert "it has no workers" in text
        assert text.count("shares nothing with it") == 1
        assert f"has forks of its own: cowmem live {server}\n" in text
        check(server)


def test_a_process_without_workers_has_one_row_and_says_so(tmp_path):
    with started(WAITS, tmp_path, waits) as pid:
        done = live(pid)
        assert "it has no workers" in done.stdout
        assert "holds" not in done.stdout
        assert (done.returncode, done.stderr) == (0, "")
        found = told(pid)
        assert [one["pid"] for one in found["processes"]] == [pid]
        assert found["workers"] is None


def test_a_process_that_does_not_exist_is_said_to():
    done = live(2**22 + 1)  # more than the highest there may be
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cowmem: there is no process 4194305: give the id of a master that runs\n"
    )


def test_a_process_that_has_ended_but_was_not_waited_for_is_said_to_have_no_memory():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    done = live(pid)
    os.waitpid(pid, 0)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"process {pid} has no memory" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-1"], "'-1' is no process id"),
        (["gunicorn"], "'gunicorn' is no process id"),
        (["1", "--watch", "often"], "'often' is no time to wait"),
        (["1", "--watch", "nan"], "'nan' is no time to wait"),
        (["1", "--watch", "0"], "'0' is no time to wait"),
        (["1", "--host-memory", "much"], "not a size"),
    ],
)
def test_an_argument_that_is_wrong_is_shown(arguments, says):
    done = live(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def live_as_stranger(*arguments):
    """The command by a user who may read no other's process; what it needs is loaded before."""
    command = [sys.executable, "-c", STRANGE, "live", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@as_root
def test_a_process_of_another_user_may_not_be_read_and_whom_to_be_is_said():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=STRANGER - 1) as process:
        done = live_as_stranger(process.pid)
        rows = json.loads(live_as_stranger(process.pid, "--json").stdout)["processes"]
        process.communicate()
    says = f"the memory of {process.pid} may not be read: run this as {STRANGER - 1}, or as root"
    assert says in done.stdout
    assert done.returncode == 0
    assert [one["rss"] for one in rows] == [None]
    assert rows[0]["age"] >= 0


@as_root
def test_only_root_may_read_a_worker_that_has_changed_its_user(tmp_path):
    with started([sys.executable, "-c", DROPS], tmp_path, has_dropped) as pid:
        (worker,) = procfs.forks(pid)
        done = live_as_stranger(worker)
        found = json.loads(live_as_stranger(pid, "--json").stdout)
    assert f"the memory of {worker} may not be read: run this as root with CAP" in done.stdout
    assert [one["pid"] for one in found["processes"]] == [pid, worker]
    assert found["pss"] is None


@contextmanager
def watching(pid, seconds):
    """A `--watch` whose lines are read one by one.

    Who starts the tests in the background ignores SIGINT, and what they start would too.
    """
    command = [*COMMAND, str(pid), "--json", "--watch", str(seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_watch_reads_again_until_it_is_interrupted(tmp_path):
    with started(WAITS, tmp_path, waits) as pid:
        with watching(pid, 0.01) as process:
            lines = [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
        assert [one["processes"][0]["pid"] for one in lines] == [pid, pid]
        assert lines[0]["processes"][0]["age"] <= lines[1]["processes"][0]["age"]
    assert (process.returncode, errors) == (0, "")


def test_a_watch_rests_between_two_readings(tmp_path):
    with started(WAITS, tmp_path, waits) as pid, watching(pid, 3600) as process:
        process.stdout.readline()
        wait_until_blocked(process.pid)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert rest == ""


def test_a_watch_ends_where_its_master_does(tmp_path):
    with started(WAITS, tmp_path, waits) as pid, watching(pid, 0.01) as process:
        process.stdout.readline()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        _, errors = process.communicate()
    assert process.returncode == 0
    assert errors == f"cowmem: process {pid} has ended\n"


def test_what_it_says_it_costs_is_what_it_took(tmp_path):
    with started(WAITS, tmp_path, waits) as pid, watching(pid, 0.001) as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(30)]
    later = lines[-1]["cpu_so_far"] - lines[0]["cpu_so_far"]
    said = sum(one["cpu"] for one in lines[1:])
    assert later / 2 < said <= later


def test_the_command_says_all_that_it_took_until_then():
    command = [*COMMAND, str(os.getpid()), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    line = json.loads(process.stdout.read())
    _, status, used = os.wait4(process.pid, 0)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    took = used.ru_utime + used.ru_stime
    assert line["cpu"] > 0
    assert took / 2 < line["cpu_so_far"] <= took
