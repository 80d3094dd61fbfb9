"""One round: fork, ready, exercise, end, and what was read on the way. Runs in the pytest process."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pytest_cowmem.host import procfs
from pytest_cowmem.host.handle import Zygote, ended, wait_until_blocked
from pytest_cowmem.model.errors import CannotMeasure, CowmemError, WorkerDied
from pytest_cowmem.model.measurement import Sample, growth_per_request
from pytest_cowmem.zygote import pauses, wire

T = TypeVar("T")
Self = TypeVar("Self", bound="Round")

_NO_OP = ("request", {"REQUEST_METHOD": "GET"}, False)
_MOST_POINTS = 24
_BURST_CHUNKS = (
    7  # enough for growth: the last two thirds of any burst hold five of the points between them
)
_DEATH_SECONDS = 5.0


class Closable(Protocol):
    """A response that may not have been read to its end."""

    def close(self) -> None: ...


class Round:
    """A worker from ready to end, as a context manager; `finish()` gives its Sample."""

    def __init__(self, zygote: Zygote, timeout: float, maps: int | None = None) -> None:
        self.zygote = zygote
        self.timeout = timeout
        self.requests = 0
        hook = zygote.app.after_fork
        self.doing = f"getting ready, in after_fork={hook!r}" if hook else "getting ready"
        self.response: Closable | None = None
        self._cause: WorkerDied | None = None
        self._points: list[tuple[int, int]] = []
        self._stride = 1
        self.worker = zygote.fork(maps)
        self.twin = zygote.twin

    def __enter__(self: Self) -> Self:
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
        self.end()

    @property
    def alive(self) -> bool:
        """Whether the worker has not been ended."""
        return self.worker.socket.fileno() >= 0

    def _become_ready(self) -> None:
        self.worker.socket.settimeout(self.timeout)
        self.receive()
        self.send(_NO_OP)
        while self.receive() != ("done", 1):
            pass
        self._wait(self.worker.pid, self.twin, self.zygote.pid)
        self._memory = procfs.memory(self.worker.pid)
        self._resident = given(self._reset_peak)
        self._pages = given(lambda: procfs.count_private_pages(self.worker.pid, self.twin))
        self._cpu = procfs.cpu_time(self.worker.pid)
        self.doing = "nothing"

    def _reset_peak(self) -> int:
        procfs.reset_peak(self.worker.pid)
        return procfs.resident(self.worker.pid)[0]

    def begin(self, doing: str) -> None:
        """Note what the worker is asked for next, and its memory before that where it is time to."""
        self._end_response()
        if self._point_is_due():
            self._add_point(self.private())
        self.doing = doing

    def _end_response(self) -> None:
        """Read a response that is still open to its end."""
        if self.response is not None:
            self.response.close()
            self.response = None

    def send(self, message: wire.Message) -> None:
        """Send the worker a message. WorkerDied when it is gone."""
        try:
            wire.send(self.worker.socket, message)
        except OSError:
            raise self._death() from None

    def send_body(self, piece: memoryview) -> None:
        """Send the worker a piece of a request's body; empty at its end."""
        try:
            wire.send_bytes(self.worker.socket, piece)
        except OSError:
            raise self._death() from None

    def receive(self) -> wire.Message | bytes:
        """The worker's next frame. WorkerDied, naming the signal and the request, when none comes."""
        try:
            return wire.receive(self.worker.socket)
        except TimeoutError:
            raise self.overdue("had not answered") from None
        except (OSError, EOFError):
            raise self._death() from None

    def overdue(self, what: str) -> WorkerDied:
        """End a worker that takes too long; the error to raise."""
        self.end()
        self._cause = WorkerDied(
            f"the worker {what} after {self.timeout:g} s while {self.doing}, and was killed: mend the request, or raise cowmem_timeout"
        )
        return self._cause

    def served(self, requests: int) -> None:
        """Count finished requests. The worker's memory is read before the next one, or at the end, whichever comes."""
        self.requests += requests
        self.zygote.show_output()

    def _point_is_due(self) -> bool:
        return self.requests >= (self._points[-1][0] if self._points else 0) + self._stride

    def _add_point(self, private: int) -> None:
        """Keep what was `private` after so many requests; of too many points every other is dropped."""
        self._points.append((self.requests, private))
        if len(self._points) > _MOST_POINTS:
            self._points[1:] = self._points[2::2]
            self._stride *= 2

    def private(self) -> int:
        """Private bytes since ready, at this moment, the worker blocked."""
        self._wait(self.worker.pid)
        return procfs.memory(self.worker.pid).private_dirty - self._memory.private_dirty

    def plant(self, kind: str, pages: int) -> int:
        """Have the worker dirty `pages` more pages; how many it could."""
        self.begin(f"planting a regression ({kind})")
        self.send(("plant", kind, pages))
        answer: Any = self.receive()
        return int(answer[1])

    def chunk(self, times: int, left: int) -> int:
        """How many of the `left` requests of a burst of `times` to make before memory is read again."""
        if not self.requests:
            return 1
        return min(left, max(self._stride, -(-times // _BURST_CHUNKS)))

    def finish(self) -> Sample:
        """Read the worker at its end: blocked, all responses read, no collection forced."""
        self._end_response()
        worker, twin = self.worker.pid, self.twin
        self._wait(worker, twin, self.zygote.pid)
        if forks := {*procfs.forks(worker), *procfs.forks(twin)} - {
            worker
        }:  # the twin adopts those whose own parent has ended
            raise CannotMeasure(
                f"the worker had {len(forks)} live forks of its own at its end, which share the pages that would be its private ones: "
                "let the app or the test end them first"
            )
        cpu = procfs.cpu_time(worker) - self._cpu
        memory = procfs.memory(worker)
        private = memory.private_dirty - self._memory.private_dirty
        if self._point_is_due():
            self._add_point(private)
        values = {"private": private, "uss": memory.uss}
        if self._pages:
            pages = zip(
                ("copied", "fresh"),
                procfs.count_private_pages(worker, twin),
                self._pages,
                strict=True,
            )
            values |= {name: (now - then) * procfs.PAGE for name, now, then in pages}
        if self._resident is not None:
            now, highest = procfs.resident(worker)
            values |= {"peak": highest - self._resident, "returned": highest - now}
        imports, armed = self._own_account()
        values["imports"] = len(imports)
        if armed:
            values |= self._collections()
        if self.requests:
            values["cpu"] = cpu // self.requests
        if self._points and self._points[0][0] == 1:
            values["first"] = self._points[0][1]
        growth = growth_per_request(self._points)
        if growth is not None:
            values["growth"] = growth
        return Sample(values, imports, self.requests)

    def _collections(self) -> dict[str, int]:
        """The GC metrics, from the table the worker's recorder wrote."""
        table, width = self.zygote.table, len(pauses.COLUMNS)
        rows = [
            dict(zip(pauses.COLUMNS, table[row * width : (row + 1) * width], strict=True))
            for row in range(pauses.GENERATIONS)
        ]
        values = {
            f"gc_collections_{generation}": row["collections"]
            for generation, row in enumerate(rows)
        }
        values["gc_collections"] = sum(row["collections"] for row in rows)
        values["gc_pause"] = round(
            max(row["longest_thread_ns"] for row in rows) * self.zygote.scale
        )
        values["gc_total"] = round(sum(row["thread_ns"] for row in rows) * self.zygote.scale)
        values["gc_copied"] = sum(row["faults"] for row in rows) * procfs.PAGE
        return values

    def _own_account(self) -> tuple[tuple[str, ...], bool]:
        """The modules the worker has and the zygote has not, and whether collections were recorded to the end.

        Asked last, since answering costs the worker memory.
        """
        self.send(("modules",))
        answer: Any = self.receive()
        return tuple(sorted(set(answer[1]) - self.zygote.modules)), answer[2]

    def _wait(self, *pids: int) -> None:
        try:
            wait_until_blocked(*pids)
        except WorkerDied:
            raise self._death() from None

    def _death(self) -> CowmemError:
        """What became of a worker that no longer talks; the same each time, since a test may have swallowed the first."""
        if self._cause is not None:
            return self._cause
        give_up = time.monotonic() + _DEATH_SECONDS
        while procfs.state(self.worker.pid) not in "ZX" and time.monotonic() < give_up:
            time.sleep(0.001)
        hung_up = self.alive and procfs.state(self.worker.pid) not in "ZX"
        code = self.end()
        what = "closed its connection to the test" if hung_up else ended(code)
        self._cause = WorkerDied(f"the worker {what} while {self.doing}")
        return self._cause

    def end(self) -> int | None:
        """End worker and twin; the worker's exit code, None when they had been ended before."""
        if not self.alive:
            return None
        self.worker.kill()
        try:
            return self.zygote.reap()
        finally:
            self.zygote.show_output()


def given(read: Callable[[], T]) -> T | None:
    """What `read` gives, or None where this kernel was built, or told, not to."""
    try:
        return read()
    except OSError:
        return None
