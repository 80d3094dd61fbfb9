"""A response as the worker sends it. Runs in the pytest process."""

import time
from collections.abc import Iterator

import httpx2

from pytest_cowmem.host import answers
from pytest_cowmem.host.environ import LATIN
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import MixedStatuses
from pytest_cowmem.zygote import messages


class ResponseStream(httpx2.SyncByteStream):
    """A response's body as it comes; meanwhile the worker is fed `body`, the request's.

    `before` is how many requests of a burst came before this message.
    """

    def __init__(self, current: Round, body: Iterator[bytes], before: int = 0) -> None:
        self.round = current
        self.served = 0
        self._before = before
        self._body = body
        self._rest = memoryview(b"")
        self._over = False
        self._gone = False
        self._waited = 0.0

    def head(self) -> answers.Head | None:
        """Wait for the status line; None where there is none. The body stays in this stream."""
        head = self._next()
        return head if isinstance(head, answers.Head) else None

    def response(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for the status line; the body stays in this stream."""
        head = self.head()
        if head is None:
            raise httpx2.RemoteProtocolError(
                "the app ended its response before it began", request=request
            )
        code, _, reason = head.status.partition(" ")
        reason = reason or httpx2.codes.get_reason_phrase(int(code))
        return httpx2.Response(
            int(code),
            headers=[(name.encode(LATIN), value.encode(LATIN)) for name, value in head.headers],
            stream=self,
            request=request,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason.encode(LATIN)},
        )

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(piece := self._next(), bytes):
            yield piece

    def close(self) -> None:
        """Read the rest and drop it, since a worker that still sends is not at its end.

        An ASGI app is told that the client has gone, since its response may have no end.
        """
        if self.round.alive and not self._over and self._is_told:
            self._go()
        self._drop()

    @property
    def _is_told(self) -> bool:
        """Whether an app is told that its client has gone, whenever that is."""
        return self.round.master.facts.interface == "asgi"

    def _go(self) -> None:
        self._gone = True
        self.round.send((messages.GONE,))

    def _drop(self) -> None:
        while self.round.alive and self._next() is not None:
            pass

    def _next(self) -> answers.Head | bytes | None:
        """The next piece of the body, the head, or None at the end."""
        while not self._over:
            match self._frame():
                case bytes() | answers.Head() as frame:
                    return frame
                case answers.Read() if self._gone and self._is_told:
                    continue
                case answers.Read(most):
                    self._feed(most)
                case answers.Going():
                    self._waited = 0.0
                case answers.Done(served):
                    self._end(served)
                    self.served = served
                case answers.Mixed(first, other, at):
                    self._end(1)
                    raise mixed(first, other, self._before + at)
                case _:
                    self._end(1)
                    raise httpx2.RemoteProtocolError(
                        "the app raised after its response had begun: "
                        "its traceback is in the captured stderr"
                    )
        return None

    def _end(self, served: int) -> None:
        self._over = True
        self.round.served(served)

    def _frame(self) -> answers.Answer | bytes:
        """The worker's next frame. WorkerDied when the waits for one request take too long."""
        asked = time.monotonic()
        frame = self.round.receive()
        self._waited += time.monotonic() - asked
        if self._waited > self.round.timeout:
            raise self.round.overdue("had not ended its response")
        return frame

    def _feed(self, most: int) -> None:
        """Send the next piece of the body. The app sees the client go when its iterator raises."""
        try:
            while not self._rest and (piece := next(self._body, None)) is not None:
                self._rest = memoryview(piece)
        except BaseException:
            self._go()
            self._drop()
            raise
        self.round.send_body(self._rest[:most])
        self._rest = self._rest[most:]


def mixed(first: str, other: str, at: int) -> MixedStatuses:
    """The error for a burst with two statuses; `at` counts its requests from one."""
    return MixedStatuses(
        f"the responses of the burst have different statuses: {first} first, {other} at request "
        f"{at}; repeat a request whose answer stays the same"
    )
