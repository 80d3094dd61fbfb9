"""The handle of a running zygote, and the workers it forks. Runs in the pytest process."""

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import psutil

from pytest_cowmem.host import procfs
from pytest_cowmem.model.app import App, parse_target
from pytest_cowmem.model.errors import AppFailed, CannotMeasure, WorkerDied, ZygoteDied
from pytest_cowmem.zygote import pauses, process, wire
from pytest_cowmem.zygote.wire import MEASURED, TRACED

_REST_SECONDS = 10.0
_REFERENCE_NS = 2_000_000  # the collection of pauses.calibrate() on the reference machine: 1.8-2.2 ms on an AMD EPYC, CPython 3.10-3.13
# pytest's own variables, and the shell's notes to itself: they differ from run to run, and their strings lie on the zygote's heap.
_NOT_INHERITED = (
    "_",
    "COLUMNS",
    "LINES",
    "OLDPWD",
    "SHLVL",
    "PYTEST_CURRENT_TEST",
    "PYTEST_VERSION",
    "PYTEST_XDIST_TESTRUNUID",
    "PYTEST_XDIST_WORKER",
    "PYTEST_XDIST_WORKER_COUNT",
)


class Output:
    """What a zygote and its workers print, kept in a file and shown in whichever test is running; a pipe could fill up and block them."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._shown = 0

    def show(self, stream: TextIO) -> None:
        """Pass on what has come since the last call."""
        text = os.pread(
            self.file.fileno(), os.fstat(self.file.fileno()).st_size - self._shown, self._shown
        )
        self._shown += len(text)
        if text:
            stream.write(text.decode(errors="replace"))


@dataclass
class Worker:
    """A worker's pid, and our end of the conversation with it."""

    pid: int
    socket: socket.socket

    def kill(self) -> None:
        """End the process and all that it started."""
        self.socket.close()
        for end in (os.killpg, os.kill):
            try:
                end(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Zygote:
    """A running zygote with its app preloaded.

    `facts` is what it said of itself (zygote/master.py), `size` its resident bytes; `scale` turns this machine's GC times into the
    reference machine's. `tracing_cost` is bytes, once a traced round was asked for (explain/rounds.py). `warned` says whether a test
    was told of threads.
    """

    def __init__(self, app: App, rootdir: Path, path: Sequence[str], timeout: float) -> None:
        """Start it and wait for the app. AppFailed when the app raises or takes over `timeout` seconds, ZygoteDied when it ends."""
        self.app = app
        self.stdout, self.stderr = Output(), Output()
        fd = os.memfd_create("pytest-cowmem")
        os.ftruncate(fd, pauses.TABLE_BYTES)
        self._shared = mmap.mmap(fd, pauses.TABLE_BYTES)
        self.table = memoryview(self._shared).cast("q")
        self.table[0] = 0  # our own mapping of the page makes it a shared one
        self.control, far = socket.socketpair()
        self.control.settimeout(timeout)
        environ = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        with far, process.fixed_addresses():
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", "pytest_cowmem.zygote", "start"],
                env=environ | {"PYTHONHASHSEED": "0"} | dict(app.env),
                cwd=rootdir,
                stdin=far.fileno(),
                stdout=self.stdout.file,
                stderr=self.stderr.file,
                start_new_session=True,  # Ctrl-C is for pytest, which then ends its zygotes
            )
        try:
            self.facts = self._start([str(rootdir), *path, *app.pythonpath], fd)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(fd)
        self.size: int = psutil.Process(self._process.pid).memory_info().rss
        self.scale = _REFERENCE_NS / self.facts["gc_speed"]
        self.layout = f"{self.facts['layout'] % 2**64:016x}"
        self.modules = frozenset(self.facts["modules"])
        self.tracing_cost: int | None = None
        self.warned = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _start(self, path: list[str], table_fd: int) -> dict[str, Any]:
        target, factory = parse_target(self.app.target)
        config = {
            "target": target,
            "factory": factory,
            "path": path,
            "prepare": self.app.prepare,
            "after_fork": self.app.after_fork,
            "gc": self.app.gc,
        }
        while True:
            kind, *rest = self._ask(lambda: self._send_start(config, table_fd))
            if kind == "started":
                facts: dict[str, Any] = rest[0]
                return facts
            if kind == "failed":
                line, trace = rest
                raise AppFailed(
                    f"the app {self.app.target!r} could not be preloaded: {line}\n\n{trace}"
                )

    def _send_start(self, config: dict[str, Any], table_fd: int) -> None:
        wire.send(self.control, ("start", config))
        socket.send_fds(self.control, [b"\0"], [table_fd])

    def _ask(self, send: Callable[[], None]) -> wire.Message:
        """Send something and wait for the answer. ZygoteDied when none comes."""
        try:
            send()
            return wire.receive_message(self.control)
        except TimeoutError:
            self._process.kill()
            seconds = self.control.gettimeout()
            raise AppFailed(
                f"the zygote of {self.app.target!r} had not answered after {seconds:g} s, and was killed: "
                "mend what it waits for, or raise cowmem_timeout"
            ) from None
        except (OSError, EOFError):
            self._process.wait()
            raise self._died() from None

    def _died(self) -> ZygoteDied:
        return ZygoteDied(
            f"the zygote of {self.app.target!r} {ended(self._process.returncode)}; the next test gets a new one"
        )

    def fork(self, maps: int | None = None) -> Worker:
        """A new worker, running, which waits for its first exchange; `self.twin` is its twin's pid. `reap` has to come before the next.

        With `maps`, a file's descriptor, the worker keeps account of its page faults, and both can be asked to draw their objects there.
        """
        for index in range(len(self.table)):
            self.table[index] = 0
        near, far = socket.socketpair()
        try:
            with far:
                _, self.twin, worker = self._ask(lambda: self._send_fork(far, maps))
        except BaseException:
            near.close()
            raise
        return Worker(worker, near)

    def _send_fork(self, far: socket.socket, maps: int | None) -> None:
        self.control.sendall(MEASURED if maps is None else TRACED)
        socket.send_fds(
            self.control, [b"\0"], [far.fileno()] if maps is None else [far.fileno(), maps]
        )

    def ask_twin(self, kind: str) -> wire.Message:
        """What the twin of a traced worker answers; zygote/trace/afternoon.py. CannotMeasure where it raised."""
        answer = self._ask(lambda: wire.send(self.control, (kind,)))
        if answer[0] == "failed":
            raise CannotMeasure(
                f"drawing the app's objects raised {answer[1]}: please report this as a bug of pytest-cowmem\n\n{answer[2]}"
            )
        return answer

    def reap(self) -> int | None:
        """The exit code of the worker, which has ended or is about to; its twin ends with it. ZygoteDied if the zygote has, too."""
        code: int | None = self._ask(lambda: wire.send(self.control, ("reap",)))[1]
        if not self.alive:  # the twin may answer in the moment before it follows
            raise self._died()
        return code

    def show_output(self) -> None:
        """Pass what the processes printed on to the running test's stdout and stderr."""
        self.stdout.show(sys.stdout)
        self.stderr.show(sys.stderr)

    def close(self) -> None:
        """End the zygote and whatever it or its workers left running."""
        self.control.close()
        left = psutil.Process(self._process.pid).children(recursive=True) if self.alive else []
        self._process.kill()
        self._process.wait()
        for child in left:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        self.show_output()
        self.stdout.file.close()
        self.stderr.file.close()
        self.table.release()
        self._shared.close()


class Zygotes:
    """The zygotes of a session, one for each app, started when a test first asks and replaced when they died."""

    def __init__(self, rootdir: Path, path: Sequence[str], timeout: float) -> None:
        self._rootdir, self._path, self._timeout = rootdir, path, timeout
        self._running: dict[App, Zygote] = {}
        self._failed: dict[App, str] = {}

    def get(self, app: App) -> Zygote:
        """The running zygote of `app`. AppFailed, with the traceback the first time only."""
        if app in self._failed:
            raise AppFailed(self._failed[app])
        zygote = self._running.get(app)
        if zygote is not None and not zygote.alive:
            self._running.pop(app).close()
            zygote = None
        if zygote is None:
            try:
                zygote = Zygote(app, self._rootdir, self._path, self._timeout)
            except AppFailed as error:
                first_line = str(error).partition("\n")[0]
                self._failed[app] = (
                    f"{first_line} (its traceback is shown with the first test that needed it)"
                )
                raise
            self._running[app] = zygote
        return zygote

    def close(self) -> None:
        """End them all."""
        while self._running:
            self._running.popitem()[1].close()


def wait_until_blocked(*pids: int) -> None:
    """Wait until each process is blocked in a system call. CannotMeasure when one keeps running."""
    give_up = time.monotonic() + _REST_SECONDS
    for pid in pids:
        while (state := procfs.state(pid)) != "S":
            if state in "ZX":
                raise WorkerDied(f"process {pid} ended while it was being measured")
            if time.monotonic() > give_up:
                raise CannotMeasure(
                    f"process {pid} did not come to rest in {_REST_SECONDS:.0f} s: let the request end what it starts in the main thread"
                )
            time.sleep(0)


def ended(code: int | None) -> str:
    """How a process ended, from its exit code: "was killed by SIGSEGV", "exited with code 3"."""
    if code is None:
        return "ended"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"was killed by {names.get(-code, f'signal {-code}')}"
    return f"exited with code {code}"
