"""The user's own gunicorn as the master. Runs in the pytest process.

It forks two workers, one of which is the twin. It is stopped (SIGSTOP) but where it is asked for
something: so it forks no other worker, and takes none for dead. A killed pair makes it fork a new
one as soon as it goes on.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from pytest_cowmem.host import answers, procfs
from pytest_cowmem.host.preforked import Pair
from pytest_cowmem.host.waiting import ended, has_ended, wait_until_still
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import AppFailed, UsageError, WorkerDied, ZygoteDied
from pytest_cowmem.zygote import messages, pauses, wire

_PAIR = 2
# Exit codes of a worker for which gunicorn ends: Arbiter.WORKER_BOOT_ERROR and APP_LOAD_ERROR.
_HALTS = (3, 4)
_LOG = "gunicorn's log, in the captured stderr, says why"
_LONGEST_PATH = 80  # of a folder for sockets, whose own paths have at most 107 bytes (unix(7))


@dataclass(frozen=True)
class ServingPair(Pair):
    """A pair whose worker waits for HTTP, and for messages when it is told that one has come."""

    def wake(self) -> None:
        os.kill(self.worker, messages.SIGNAL)

    def wait(self, *_others: int) -> None:
        """Wait until all threads of the worker are blocked; the others are stopped."""
        wait_until_still(self.worker)


class Gunicorn(Zygote):
    """A running gunicorn with its app preloaded: host/preforked.py says what its attributes are."""

    module = "pytest_cowmem.zygote.in_gunicorn"
    called = "gunicorn"

    def __init__(self, app: App, rootdir: Path, path: Sequence[str], *more: Any) -> None:
        """Start it. UsageError where it is not installed."""
        if find_spec("gunicorn") is None:
            raise UsageError(
                f"{app.label} needs gunicorn, which is not installed: "
                "pip install pytest-cowmem[gunicorn]"
            )
        self._pair: Pair | None = None
        self._others: set[int] = set()  # what gunicorn has forked beside the pair
        self._born: list[tuple[answers.Born, socket.socket]] = []  # of the pair that comes next
        self._folder = _folder()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self._folder.name, "talk"))
        self._listener.listen()
        uds = os.path.join(self._folder.name, "http")
        self._transport = httpx2.HTTPTransport(uds=uds, verify=False)
        super().__init__(app, rootdir, path, *more)

    def _first_message(self, *given: Any) -> wire.Message:
        kind, config = super()._first_message(*given)
        return kind, {**config, "app": self.app.target, "folder": self._folder.name}

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how it differs from the master that production would start here."""
        if self.facts.preloads:
            return super().notes
        return (
            *super().notes,
            "gunicorn's configuration does not preload the app, so that production's workers share "
            "next to nothing: set preload_app = True there, as was done here",
        )

    def fork(self, kind: bytes = messages.MEASURED, fds: Sequence[int] = ()) -> Pair:
        """A new pair, of two workers of the same age; the older one is measured."""
        if kind != messages.MEASURED or fds:
            raise ValueError(f"gunicorn forks measured workers only, not {kind!r}")
        two = self._next_two()
        self._born.clear()
        try:
            for born, _ in two:
                self._wait_until_it_listens(born)
            (worker, near), (twin, other) = two
            self._stop(twin.pid, self.pid)
            other.close()
            pauses.clear(self.table)
            self._pair = pair = self._named(worker.pid, twin.pid, near)
            wire.send(near, (messages.ARM,))
            pair.wake()
        except BaseException:
            for _, talk in two:
                talk.close()
            raise
        return pair

    def _named(self, worker: int, twin: int, near: socket.socket) -> Pair:
        """The pair; what gunicorn has forked beside it is noted."""
        family = {*procfs.descendants(self.pid)}
        own = {worker, *procfs.descendants(worker)}
        self._others = family - own - {twin, *procfs.descendants(twin)}
        known = frozenset(family - own)
        return ServingPair(worker, twin, near, self.pid, known, self._transport)

    def _next_two(self) -> list[tuple[answers.Born, socket.socket]]:
        """The next two workers to be ready, the older first, and our end of the talk with each."""
        self._process.send_signal(signal.SIGCONT)
        timeout = self._control.gettimeout() or 0.0
        give_up = time.monotonic() + timeout
        while len(self._born) < _PAIR:
            left = max(0.0, give_up - time.monotonic())
            ready = select.select([self._listener, self._control], [], [], left)[0]
            if self._listener in ready:
                self._born.append(self._greeted())
            elif ready:
                code = self._process.wait()
                raise ZygoteDied(
                    f"{self.app.label} {ended(code)} before its workers were ready: {_LOG}"
                )
            else:
                raise AppFailed(
                    f"the workers of {self.app.label} were not ready after {timeout:g} s: "
                    "mend what they wait for, or raise cowmem_timeout"
                )
        wait_until_still(self.pid)  # both may serve before it has come out of the second fork
        return sorted(self._born, key=lambda one: one[0].age)

    def _greeted(self) -> tuple[answers.Born, socket.socket]:
        near, _ = self._listener.accept()
        near.settimeout(self._control.gettimeout())
        born = answers.named(wire.receive_message(near))
        assert isinstance(born, answers.Born)
        return born, near

    def _wait_until_it_listens(self, born: answers.Born) -> None:
        """Wait until a worker does nothing but wait for requests. WorkerDied where it ends."""
        try:
            wait_until_still(
                born.pid,
                lambda: not born.inode or procfs.is_watched(born.inode, born.pid),
                self._control.gettimeout() or 0.0,
            )
        except WorkerDied:
            raise WorkerDied(
                f"a worker of {self.app.label} ended before it was ready: {_LOG}"
            ) from None

    def _stop(self, *pids: int) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        while any(procfs.state(pid) not in "TZX" for pid in pids):
            time.sleep(0)

    def full_collection(self) -> answers.Collected:
        """What a full collection costs; host/preforked.py describes it."""
        self._next_two()  # in the middle of a fork, gunicorn could not make another one
        self._send((messages.COLLECT,))
        self._process.send_signal(messages.SIGNAL)
        collected = self._receive()
        assert isinstance(collected, answers.Collected)
        return collected

    def ask_twin(self, kind: str, expected: type[answers.Expected]) -> answers.Expected:
        """A stopped twin answers nothing."""
        raise ValueError(f"only the twin of a traced worker answers {kind!r}, with {expected}")

    def reap(self) -> int | None:
        """The exit code of the worker, which is gunicorn's to wait for; its twin ends with it."""
        assert self._pair is not None
        code = procfs.exit_code(self._pair.worker) if has_ended(self._pair.worker) else None
        while left := [pid for pid in self._left() if procfs.state(pid) not in "ZX"]:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0)
        if code in _HALTS:  # it would end itself when it goes on
            self._process.kill()
            self._process.wait()
        elif not self.alive:
            raise self._died()
        return code

    def _left(self) -> set[int]:
        """The pair, and what it has started."""
        return {*procfs.descendants(self.pid)} - self._others

    def close(self) -> None:
        """End gunicorn and its workers, and remove the folder with its sockets."""
        super().close()
        for _, near in self._born:
            near.close()
        self._listener.close()
        self._transport.close()
        self._folder.cleanup()


def _folder() -> "TemporaryDirectory[str]":
    """A folder of this user's alone (mode 0700), whose path is not too long for a socket's."""
    folder = TemporaryDirectory(prefix="pytest-cowmem-")
    if len(os.fsencode(folder.name)) <= _LONGEST_PATH:
        return folder
    folder.cleanup()
    return TemporaryDirectory(prefix="pytest-cowmem-", dir="/tmp")
