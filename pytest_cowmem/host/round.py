"""One round: fork, ready, exercise, end. Runs in the pytest process.

A round talks; host/reading.py reads.
"""

import os
import pickle
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from pytest_cowmem.host import answers, procfs
from pytest_cowmem.host.asking import FIRST, NO_ARGUMENTS
from pytest_cowmem.host.memory_map import draw, memory_map
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.reading import given, pauses_since, read
from pytest_cowmem.host.tree import Tree
from pytest_cowmem.host.waiting import ended, has_ended
from pytest_cowmem.model.errors import CannotMeasure, WorkerDied
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.model.observation import Observation
from pytest_cowmem.model.reading import Reading
from pytest_cowmem.zygote import messages, wire

_MOST_NAMES = 3
# Requests after which a worker is read: 1, 8, 64, and so on.
_AGES = tuple(1 << power for power in range(0, 64, 3))


class Closable(Protocol):
    """A response that may not have been read to its end."""

    def close(self) -> None: ...


class Round:
    """A worker from ready to end, as a context manager; `finish()` returns its Sample.

    `timeout` is in seconds for each answer. `kind` and `fds` are as the master's `fork` takes them.
    `draws` says that a report is to show the worker's memory and pauses.
    """

    reads_tree = True  # where the app wants that; only a round that measures does
    who = "the worker"  # in what is said of its end
    counts_forks = "count them too, with App(..., tree=True), or "

    def __init__(
        self,
        master: Preforked,
        timeout: float,
        kind: bytes = messages.MEASURED,
        fds: Sequence[int] = (),
        draws: bool = False,
    ) -> None:
        self.master = master
        self.draws = draws
        self.timeout = timeout
        self.requests = 0
        self.response: Closable | None = None
        hook = master.app.after_fork
        self._doing = f"getting ready, in after_fork={hook!r}" if hook else "getting ready"
        if master.facts.interface == "asgi":
            self._doing += ", or in the app's lifespan startup"
        self._cause: WorkerDied | None = None
        self._ages: dict[int, int] = {}
        self._tree: Tree | None = None
        try:
            self.pair = master.fork(kind, fds)
        except BaseException:
            master.show_output()  # it says why
            raise

    def __enter__(self) -> Self:
        try:
            self._become_ready()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.alive:
                self._leave()
        finally:
            self.end()

    def _leave(self) -> None:
        """Have an app that has a shutdown shut down. All is read by then."""
        if self.master.facts.interface == "asgi":
            self._end_response()
            self._doing = "shutting down"
            self.ask((messages.LEAVE,), answers.Alive)

    @property
    def alive(self) -> bool:
        """Whether the worker has not been ended."""
        return self.pair.socket.fileno() >= 0

    def _become_ready(self) -> None:
        self.pair.socket.settimeout(self.timeout)
        self.receive()
        first, end = FIRST[self.master.facts.interface]
        self.send(first)
        while not isinstance(self.receive(), end):
            pass
        if self.master.app.tree and self.reads_tree:
            self._tree = self._watched()
        self._wait_for_all()
        self._ready = read(self.pair.worker, self.pair.twin, self.master.table, at_ready=True)
        if self.draws:
            self._own_at_ready = given(lambda: procfs.own_pages(self.pair.worker)) or set()
        self._endings = self._count_endings()
        self._doing = "nothing"
        if self._tree:
            self._tree.begin()

    def _watched(self) -> Tree:
        """The worker's descendants, from here on."""
        error = self.ask((messages.TREE,), answers.Telling).error
        listener = None
        if not error:
            (listener,) = socket.recv_fds(self.pair.socket, 1, 1)[1]
        return Tree(self.pair, listener)

    def begin(self, doing: str) -> None:
        """Note what the worker is asked for next; before that, read it where that is due."""
        self._end_response()
        self._between_requests()
        self._doing = doing
        if self._tree:
            self._tree.look()
            self._tree.doing = doing

    def _between_requests(self) -> None:
        if self.requests in _AGES and self.requests not in self._ages:
            self._ages[self.requests] = self.private()

    def _end_response(self) -> None:
        """Read a response that is still open to its end."""
        if self.response is not None:
            self.response.close()
            self.response = None

    def send(self, message: wire.Message) -> None:
        """Send the worker a message. WorkerDied when it is gone."""
        try:
            wire.send(self.pair.socket, message)
            self.pair.wake()
        except OSError:
            raise self.death() from None

    def send_body(self, piece: memoryview) -> None:
        """Send the worker a piece of a request's body; empty at its end."""
        try:
            wire.send_bytes(self.pair.socket, piece)
        except OSError:
            raise self.death() from None

    def receive(self) -> answers.Answer | bytes:
        """The worker's next frame. WorkerDied, naming the signal and the request, if none comes."""
        try:
            frame = wire.receive(self.pair.socket)
        except TimeoutError:
            raise self.overdue("had not answered") from None
        except (OSError, EOFError):
            raise self.death() from None
        return frame if isinstance(frame, bytes) else answers.named(frame)

    def ask(self, message: wire.Message, expected: type[answers.Expected]) -> answers.Expected:
        """Send the worker a message, and return the one answer it gives to it."""
        self.send(message)
        answer = self.receive()
        assert isinstance(answer, expected)
        return answer

    def overdue(self, what: str) -> WorkerDied:
        """End a worker that takes too long; the error to raise."""
        self.end()
        threads = _without_threads(self.master.facts.threads)
        self._cause = WorkerDied(
            f"{self.who} {what} after {self.timeout:g} s while {self._doing}, and was killed: "
            f"{threads}mend the request, or raise cowmem_timeout"
        )
        return self._cause

    def served(self, requests: int) -> None:
        """Count finished requests.

        What the first one took, or the first eight, is read before the next one or at the end,
        whichever comes.
        """
        self.requests += requests
        self.master.show_output()

    def private(self) -> int:
        """Private bytes since ready, at this moment, the worker blocked."""
        self.wait()
        if self._tree:
            return self._read_all()[0].private - self._ready.private
        return procfs.memory(self.pair.worker).private_dirty - self._ready.private

    def _read_all(self) -> tuple[Reading, Reading | None]:
        """What is read now, and what of that is the descendants', where these are measured."""
        if self._tree:
            self._tree.settle()
        worker = read(self.pair.worker, self.pair.twin, self.master.table)
        if self._tree is None:
            return worker, None
        worker, descendants = self._tree.read(worker)
        return worker + descendants, descendants

    def plant(self, kind: str, pages: int) -> int:
        """Have the worker dirty `pages` more pages; how many it could."""
        self.begin(f"planting a regression ({kind})")
        return self.ask((messages.PLANT, kind, pages), answers.Planted).pages

    def chunk(self, left: int) -> int:
        """How many of the `left` requests of a burst to make before the worker is read again."""
        return min(left, next(age for age in _AGES if age > self.requests) - self.requests)

    def finish(self, full: answers.Collected | None = None, *, aging: bool = False) -> Sample:
        """Read the worker at its end: blocked, all responses read, no collection forced.

        `full` is what a full collection costs, measured beside this round. Where it is to be
        `aging`, the worker has one more then, and is read once more.
        """
        self._end_response()
        self._wait_for_all()
        if self._tree:
            self._tree.wait()
        else:
            self._refuse_forks()
        end, descendants = self._read_all()
        if self.requests:
            self._ages[self.requests] = end.private - self._ready.private
        children_ended = self._count_endings() > self._endings
        drawn = self._drawn() if self.draws else {}
        aged = self._age() if aging else None
        # Asked last, since answering costs the worker memory: a reference to each module's name.
        loaded = self.ask((messages.MODULES,), answers.Loaded)
        return Sample.of(
            Observation(
                ready=self._ready,
                end=end,
                ages=tuple(self._ages.items()),
                imports=tuple(sorted(set(loaded.modules) - self.master.facts.modules)),
                requests=self.requests,
                recorded=loaded.recorded,
                gc_scale=self.master.gc_scale,
                master=self.master.size,
                mapped=self.master.mapped,
                full=full and (full.copied, full.cpu),
                aged=aged,
                children_ended=children_ended and not (self._tree and self._tree.told),
                descendants=descendants,
                children=self._tree.children if self._tree else (),
                going=tuple(loaded.going),
                **drawn,
            )
        )

    def _drawn(self) -> dict[str, Any]:
        """What a report shows of the worker's memory and pauses."""
        worker, master = self.pair.worker, self.master
        drawn = given(lambda: draw(worker, self.pair.twin, self._own_at_ready))
        pauses = pauses_since(self._ready, worker, master.table, master.gc_scale)
        return {"map": memory_map(drawn) if drawn else None, "pauses": pauses}

    def _age(self) -> int:
        """Bytes that the worker has for itself after one more full collection, if it collects.

        Each worker that lives long has one some day.
        """
        if self._call("gc:isenabled"):
            self._call("gc:collect")
        self.wait()
        return self._read_all()[0].uss if self._tree else procfs.memory(self.pair.worker).uss

    def _call(self, function: str) -> Any:
        """What a function of no argument returns in the worker, which is not to raise."""
        self.ask((messages.CALL, function, NO_ARGUMENTS, 1, self.timeout), answers.Returned)
        result = self.receive()
        assert isinstance(result, bytes)
        return pickle.loads(result)

    def _count_endings(self) -> int:
        # A real server's other workers end beside this one.
        parent = self.pair.worker if self.pair.transport else self.pair.parent
        return procfs.endings(self.pair.worker, parent)

    def _refuse_forks(self) -> None:
        # The parent adopts those whose own parent has ended.
        forks = {*procfs.forks(self.pair.parent)} - {self.pair.worker} - self.pair.known
        if forks:
            raise CannotMeasure(
                f"{self.who} had {len(forks)} live forks of its own at its end, which share the "
                f"pages that would be its private ones: {self.counts_forks}"
                "let the app or the test end them first"
            )

    def _wait_for_all(self) -> None:
        # Where the pytest process is the master itself, it runs, and the twin alone stands still.
        masters = {self.master.pid} - {os.getpid()}
        self.wait(self.pair.twin, *masters)

    def wait(self, *others: int) -> None:
        """Wait until the worker is blocked, and other processes. WorkerDied where one is gone."""
        try:
            self.pair.wait(*others)
        except WorkerDied:
            raise self.death() from None

    def death(self) -> WorkerDied:
        """What became of a worker that no longer talks.

        It is the same each time, since a test may have swallowed the first.
        """
        if self._cause is None:
            hung_up = not has_ended(self.pair.worker) and self.alive
            code = self.end()
            what = "closed its connection to the test" if hung_up else ended(code)
            self._cause = WorkerDied(f"{self.who} {what} while {self._doing}")
        return self._cause

    def end(self) -> int | None:
        """End worker and twin; the worker's exit code, None for a second call."""
        if not self.alive:
            return None
        self.pair.kill()
        try:
            return self.master.reap()
        finally:
            if self._tree:
                self._tree.close()
            self.master.show_output()


def _without_threads(names: Sequence[str]) -> str:
    """What a worker may wait for in vain: `names` are the master's threads, and it has none."""
    if not names:
        return ""
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return (
        f"threads of the master ({', '.join(names[:_MOST_NAMES])}{more}) do not exist in workers, "
        "so where the app waits for one, start a new one in App(after_fork=...); else "
    )
