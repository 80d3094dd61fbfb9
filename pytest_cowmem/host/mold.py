"""Try a policy: a fork of the master follows it, and forks the measured worker itself.

Runs in the pytest process. The fork is called a mold, as in pitchfork. First it is the worker of a
round of its own, and serves what the policy has it serve. Then it is the twin of a worker.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from pytest_cowmem.host import answers, procfs
from pytest_cowmem.host.preforked import Pair, Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.zygote import messages


class Enough(BaseException):
    """Ends a body in a mold that has served enough; no `except Exception` of it may stop that."""


class Mold(Round):
    """A round in a mold. Entering it does the policy's imports; a body may have it serve the rest.

    CannotMeasure where an import raises. A body ends by Enough once it has served all it is to.
    """

    def __init__(self, master: Preforked, timeout: float, policy: Policy) -> None:
        self.policy = policy
        super().__init__(master, timeout, messages.MOLD)

    def _become_ready(self) -> None:
        self.pair.socket.settimeout(self.timeout)
        self._doing = "trying advice"
        self.send((messages.PREPARE, self.policy.imports, self.policy.requests > 0))
        answer = self.receive()
        if isinstance(answer, answers.Failed):
            names = ", ".join(self.policy.imports)
            raise CannotMeasure(f"importing {names} before forking raised {answer.line}")
        self._threads = procfs.threads(self.pair.worker)

    def come_to_rest(self) -> None:
        """End what it serves, and be as a master is that is about to fork.

        CannotMeasure where what it served left threads: they would be missing in the worker, and
        whoever asks them for something would wait for ever.
        """
        self.begin("coming to rest")
        if procfs.threads(self.pair.worker) > self._threads:
            raise CannotMeasure(
                "requests start threads, which workers forked later would lack: "
                "let each worker start its own"
            )
        self.ask((messages.REST, self.policy.freeze, self.policy.gc), answers.Alive)

    def _between_requests(self) -> None:
        """A mold is not read."""

    def _leave(self) -> None:
        """A mold's app has not started up."""

    def served(self, requests: int) -> None:
        super().served(requests)
        if self.requests >= self.policy.requests:
            raise Enough

    def chunk(self, left: int) -> int:
        return min(left, self.policy.requests - self.requests)


class Reforked:
    """A mold that has come to rest, as the master of the next round.

    host/preforked.py says what its attributes are.
    """

    def __init__(self, mold: Mold) -> None:
        master = mold.master
        mold.come_to_rest()
        self._mold = mold
        self.app = master.app
        loaded = mold.ask((messages.MODULES,), answers.Loaded).modules
        self.facts = replace(master.facts, modules=frozenset(loaded))
        self.notes = master.notes
        self.table = master.table
        self.gc_scale = master.gc_scale
        self.own = master.own
        self.pid = mold.pair.worker
        self.size = procfs.anonymous(self.pid) - master.facts.ballast
        # A fork has those file pages alone that it has touched itself.
        self.mapped = max(master.mapped, procfs.mapped(self.pid))

    def fork(self, kind: bytes = messages.MEASURED, fds: Sequence[int] = ()) -> Pair:
        """A new pair, whose twin is the mold."""
        if kind != messages.MEASURED:
            raise ValueError(f"a mold forks measured workers only, not {kind!r}")
        near, far = socket.socketpair()
        try:
            with far:
                self._mold.begin("forking a worker")
                self._mold.send((messages.REFORK,))
                socket.send_fds(self._mold.pair.socket, [b"\0"], [far.fileno(), *fds])
                forked = self._mold.receive()
            assert isinstance(forked, answers.Forked)
        except BaseException:
            near.close()
            raise
        return Pair(forked.worker, forked.twin, near, forked.twin)

    def full_collection(self) -> answers.Collected:
        """What one full collection costs in a fork of the mold, between rounds."""
        return self._mold.ask((messages.FULL,), answers.Collected)

    def ask_twin(self, kind: str, expected: type[answers.Expected]) -> answers.Expected:
        """A mold answers nothing: it forks no traced worker."""
        raise ValueError(f"only the twin of a traced worker answers {kind!r}, with {expected}")

    def reap(self) -> int | None:
        """The exit code of the worker. The mold lives on, until its own round ends."""
        return self._mold.ask((messages.REAP,), answers.Reaped).code

    def show_output(self) -> None:
        """Pass what the processes printed on to the running test."""
        self._mold.master.show_output()


@contextmanager
def reforked(
    master: Preforked, timeout: float, policy: Policy, serve: Callable[[Mold], object]
) -> Iterator[Reforked]:
    """What a raw master is once it has followed a policy.

    `serve` runs the test's body in the mold, where the policy has it serve requests.
    """
    with Mold(master, timeout, policy) as mold:
        if policy.requests:
            with suppress(Enough):
                serve(mold)
        yield Reforked(mold)
