"""The master of a round, whichever it is, and what a round may ask. Runs in the pytest process.

A new kind of master is a new module whose class has what `Preforked` names, and forks what `Pair`
names. A round goes like this, for the zygote (host/zygote.py) and gunicorn (host/gunicorn.py):

1. `fork` gives a pair. On the pair's socket the worker says ALIVE, and answers a REQUEST that does
   nothing by DONE. Then the round waits, and the worker is ready.
2. Requests go to the pair's `transport`, or else as messages over the socket, beside BURST and CALL
   (zygote/messages.py). Nothing else is asked meanwhile.
3. At the end, when all has been read, the worker answers MODULES; and CALL, for a last collection.
   PLANT comes where the gate is proved, and USE between the requests of a round that measures
   growth alone.
4. The pair is killed, and `reap` comes.

Only the zygote takes the other kinds of round: traced ones, and molds.
"""

import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx2

from pytest_cowmem.host.answers import Collected, Expected
from pytest_cowmem.host.waiting import wait_for_threads, wait_until_blocked
from pytest_cowmem.model.app import App
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.zygote import messages


@dataclass(frozen=True)
class Pair:
    """A worker and its twin: their process numbers, and our end of the talk with the worker.

    `parent` is the process that the worker's own orphans are left to, and `known` are forks that it
    has besides the worker. `transport` is what requests go to, None where they go over the socket.
    """

    worker: int
    twin: int
    socket: socket.socket
    parent: int
    known: frozenset[int] = frozenset()
    transport: httpx2.BaseTransport | None = None

    def wake(self) -> None:
        """Have the worker look for a message. This one always does."""

    def wait(self, *others: int) -> None:
        """Wait until the worker is blocked in a system call, and `others` are.

        WorkerDied where one has ended, CannotMeasure where one does not come to rest.
        """
        wait_until_blocked(self.worker, *others)
        wait_for_threads(self.worker)

    def kill(self) -> None:
        """End the worker and all that it started."""
        self.socket.close()
        for end in (os.killpg, os.kill):
            try:
                end(self.worker, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Preforked(Protocol):
    """A running master with an app preloaded, which forks a pair for each round.

    `pid` is its process number. `size` is its resident anonymous bytes when it was ready to fork,
    and `mapped` those that files back. `table` is where the worker's collections are counted.
    `gc_scale` turns this machine's GC times into the reference machine's. `own` names the modules
    that explanations take for the app's own, none for all of its folders'.
    """

    app: App
    facts: Facts
    size: int
    mapped: int
    table: "memoryview[float]"
    gc_scale: float
    own: tuple[str, ...]

    @property
    def pid(self) -> int: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how it differs from the master that production would start here."""

    def fork(self, kind: bytes = messages.MEASURED, fds: Sequence[int] = ()) -> Pair:
        """A new pair; `reap` comes before the next.

        `kind` is a kind of round (zygote/messages.py), and `fds` are the descriptors that it needs
        besides the worker's socket. CannotMeasure where a module cannot be found that is to be the
        app's own, ZygoteDied or WorkerDied where there is no pair.
        """

    def full_collection(self) -> Collected:
        """What one full collection costs in a fork that does nothing else, between rounds."""

    def ask_twin(self, kind: str, expected: type[Expected]) -> Expected:
        """What the twin of a traced worker answers. CannotMeasure where it raised."""

    def reap(self) -> int | None:
        """The exit code of the worker, which has ended or is about to; its twin ends with it."""

    def show_output(self) -> None:
        """Pass what the processes printed on to the running test."""
