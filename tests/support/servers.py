"""Real servers that the tests start, on Unix sockets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from celery import Celery  # type: ignore[import-untyped]
from folders import APPS

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import wait_until_blocked

START_SECONDS = 60
PRELOADED = "preload_app = True"
# A worker that is forked still dirties pages until it is initialised.
TELLS_READY = """

def post_worker_init(worker):
    open(f"ready-{worker.pid}", "w").close()
"""


@dataclass(frozen=True)
class Server:
    """A running gunicorn or uWSGI: its master, its workers, and a client of whichever is free."""

    master: int
    workers: Sequence[int]
    client: httpx2.Client

    @contextmanager
    def only(self, worker: int) -> Iterator[httpx2.Client]:
        """The client, while no other worker serves it."""
        others = [pid for pid in self.workers if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield self.client
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def memory(worker: int) -> procfs.Memory:
    """The memory of a worker that waits for its next request."""
    wait_until_blocked(worker)
    return procfs.memory(worker)


@contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    ready: Callable[[int], bool],
    path: Sequence[Path] = (APPS,),
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """The pid of a program that is ready, ended by SIGTERM.

    `ready` is asked until it is, of the pid. Where that fails, what the program printed is shown.
    `path` are folders of modules.
    """
    output = folder / "output"
    modules = os.pathsep.join(map(str, [*path, *filter(None, [os.environ.get("PYTHONPATH")])]))
    environ = {**os.environ, "PYTHONPATH": modules, **(env or {})}
    with (
        output.open("w") as file,
        subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=environ) as program,
    ):
        try:
            give_up = time.monotonic() + START_SECONDS
            while not ready(program.pid):
                assert program.poll() is None, output.read_text()
                assert time.monotonic() < give_up, output.read_text()
                time.sleep(0.01)
            yield program.pid
        finally:
            program.terminate()


@contextmanager
def serving(
    command: Sequence[str], socket: Path, ready: Callable[[int], bool], **options: Any
) -> Iterator[Server]:
    """A server on a Unix socket; `ready` and `options` are those of `running`."""
    with running(command, socket.parent, ready, **options) as master:
        transport = httpx2.HTTPTransport(uds=str(socket))
        with httpx2.Client(transport=transport, base_url="http://localhost") as client:
            yield Server(master, sorted(procfs.forks(master)), client)


@contextmanager
def gunicorn(
    target: str, folder: Path, workers: int = 1, config: str = PRELOADED, **options: Any
) -> Iterator[Server]:
    """A gunicorn whose workers are ready to serve; `config` is its configuration file's text."""
    socket, file = folder / "gunicorn", folder / "gunicorn.conf.py"
    file.write_text(config + TELLS_READY)
    command = [sys.executable, "-m", "gunicorn", f"--workers={workers}"]
    command += ["--no-control-socket", f"--bind=unix:{socket}", f"--config={file}", target]

    def ready(_pid: int) -> bool:
        return len([*folder.glob("ready-*")]) == workers

    with serving(command, socket, ready, **options) as server:
        yield server


@contextmanager
def uwsgi(module: str, folder: Path, **options: Any) -> Iterator[Server]:
    """A uWSGI whose only worker serves the module's `application`, which its master has loaded."""
    socket = folder / "uwsgi"
    arguments = ["--master", "--processes=1", "--die-on-term", "--need-app", "--enable-threads"]
    arguments += [f"--http-socket={socket}", f"--module={module}"]
    command = [sys.executable, "-c", f"import pyuwsgi; pyuwsgi.run({arguments})"]

    def ready(pid: int) -> bool:
        return socket.exists() and len(procfs.forks(pid)) == 1

    with serving(command, socket, ready, **options) as server:
        yield server


def celery(module: str, task: str, folder: Path, **options: Any) -> Any:
    """What a task returns in a Celery whose only worker process is a fork.

    The module's app is to be configured by `celery_settings`. The task is sent before Celery
    starts: kombu's broker of files takes a message away that is still being written.
    """
    command = [sys.executable, "-m", "celery", f"--app={module}", "worker", "--pool=prefork"]
    command += ["--concurrency=1", "--without-gossip", "--without-mingle", "--without-heartbeat"]

    def ready(pid: int) -> bool:
        return len(procfs.forks(pid)) == 1

    with Celery(set_as_current=False) as client:
        client.conf.update(celery_settings(folder))
        sent = client.send_task(f"{module}.{task}")
        with running(command, folder, ready, **options) as master:
            returned = sent.get(timeout=START_SECONDS, interval=0.05)
            kill(master)
    return returned


def kill(master: int) -> None:
    """End a master and its forks at once: Celery's own ways to end take 5 seconds."""
    for pid in (master, *procfs.forks(master)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def celery_settings(folder: Path) -> dict[str, Any]:
    """What a Celery is configured with whose broker and results are files in a folder."""
    for name in ("messages", "control", "results"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.05,
        },
        "result_backend": f"file://{folder / 'results'}",
    }
