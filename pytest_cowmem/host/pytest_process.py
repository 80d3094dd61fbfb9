"""The pytest process as the master of a plain test's round. Runs in it; `Fork` runs in its fork.

It forks a twin, and that the fork in which the test's body runs. Nothing of the pytest process is
changed for it: the collector's phase is set in the fork.
"""

import mmap
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache

from pytest_cowmem.host import answers
from pytest_cowmem.host.preforked import Pair
from pytest_cowmem.host.zygote import REFERENCE_NS
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.zygote import messages, pauses, twin, wire
from pytest_cowmem.zygote.forks import fork_into, in_throwaway_fork, wait


class Fork:
    """The fork's own end of a round, until its result is sent. Runs in the fork."""

    def __init__(self, sock: socket.socket, table: "memoryview[float]") -> None:
        self._socket, self._table = sock, table
        self.begun = self.ended = False

    def begin(self) -> None:
        """Return when the pytest process has read this one, and the body is to run."""
        self.begun = True
        with held_timer():
            pauses.start_phase()
            pauses.arm(self._table)
            wire.send(self._socket, (messages.ALIVE,))
            wire.receive_message(self._socket)
            wire.send(self._socket, (messages.DONE, 1))
            wire.receive_message(self._socket)

    def end(self, passed: bool) -> str:
        """Be read again; why the test is to fail, "" where it is not."""
        self.ended = True
        with held_timer():
            wire.send(self._socket, (messages.ENDED, passed))
            kind, *fields = wire.receive_message(self._socket)
            if kind == messages.MODULES:
                loaded: wire.Message = (messages.LOADED, list(sys.modules), pauses.armed(), [])
                wire.send(self._socket, loaded)
                kind, *fields = wire.receive_message(self._socket)
        (failure,) = fields
        assert isinstance(failure, str)
        return failure

    def send(self, result: bytes) -> None:
        """Send the result, after what is left of the round where no body ran."""
        if not self.begun:
            self.begin()
        if not self.ended:
            self.end(False)
        with held_timer():
            wire.send_bytes(self._socket, result)


class PytestProcess:
    """The master of one plain test's round: host/preforked.py says what its attributes are.

    `life` is what the fork does with its end of the round. What pytest has loaded is no app, so
    that `size` and `mapped` are nobody's.
    """

    app = App("pytest")
    own: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    size = mapped = 0

    def __init__(self, life: Callable[[Fork], None]) -> None:
        self._life = life
        self.pid = os.getpid()
        self.table = pauses.table_in(mmap.mmap(-1, pauses.TABLE_BYTES))
        pauses.clear(self.table)
        self.facts = Facts(
            gc_speed=_gc_speed(),
            layout="",
            fixed_addresses=False,
            gc_enabled=False,
            gc_thresholds=(),
            gc_frozen=0,
            ballast=0,
            threads=(),
            harness=frozenset(),
            modules=frozenset(sys.modules),
        )
        self.gc_scale = REFERENCE_NS / self.facts.gc_speed

    def fork(self, kind: bytes = messages.MEASURED, fds: Sequence[int] = ()) -> Pair:
        """A new pair; host/preforked.py describes it. There is no other kind of round."""
        assert kind == messages.MEASURED
        assert not fds
        near, far = socket.socketpair()
        self._control, theirs = socket.socketpair()
        group = os.getpgrp()

        def live(sock: socket.socket) -> None:
            os.setpgid(0, group)  # else a debugger in the body could not read from the terminal
            self._life(Fork(sock, self.table))

        with far, theirs, without_fork_warnings() as left:

            def be_twin() -> None:
                left()
                near.close()
                self._control.close()
                twin.live(theirs, far.detach(), live)

            self._twin = fork_into(be_twin)
        forked = answers.named(wire.receive_message(self._control))
        assert isinstance(forked, answers.Forked)
        return Pair(forked.worker, forked.twin, near, forked.twin)

    def reap(self) -> int | None:
        """The exit code of the fork; its twin ends with it. None where the twin is gone already."""
        try:
            with self._control:
                wire.send(self._control, (messages.REAP,))
                (_, code) = wire.receive_message(self._control)
        except (OSError, EOFError):
            code = None
        wait(self._twin)
        assert code is None or isinstance(code, int)
        return code

    def full_collection(self) -> answers.Collected:
        """CannotMeasure: what a collection of all that pytest has costs is no app's."""
        raise CannotMeasure("a plain test has no gc_full: measure an app's with cow_worker")

    def ask_twin(self, kind: str, expected: type[answers.Expected]) -> answers.Expected:
        """CannotMeasure: no plain test is traced."""
        raise CannotMeasure(f"the twin of a plain test does not answer {kind!r} ({expected})")

    def show_output(self) -> None:
        """The fork prints to pytest's own output, and pytest captures that there."""


@cache
def _gc_speed() -> int:
    """Nanoseconds of the collection of pauses.calibrate() in this interpreter."""
    with without_fork_warnings():
        return in_throwaway_fork(pauses.calibrate)


@contextmanager
def without_fork_warnings() -> Iterator[Callable[[], None]]:
    """Have no fork warn of threads, as it does since CPython 3.12.

    The fork gets the filters back that were in force by calling what the manager gives.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", DeprecationWarning)
        yield stack.close


@contextmanager
def held_timer() -> Iterator[tuple[float, float]]:
    """Have no timer ring meanwhile, as that of pytest-timeout; then go on with what it has left.

    It gives that: seconds, and those of the interval.
    """
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield timer
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
