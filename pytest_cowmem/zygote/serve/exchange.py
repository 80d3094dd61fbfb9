"""The server's side of one ASGI call. Runs in the worker."""

import asyncio
import socket
from typing import Any

from pytest_cowmem.zygote import messages, wire

Event = dict[str, Any]

_MOST_BYTES = 65536  # of a request's body at a time
_GONE = {"type": "http.disconnect"}


class Exchange:
    """A request whose body the app receives, and the response that it sends.

    The body is `body`, or is pulled from the pytest process piece by piece as the app asks for it:
    `expected` bytes, None where that is not known. The response is sent as it comes, nowhere where
    there is no socket.
    """

    # Here, since a burst makes one for each request.
    status = ""
    begun = complete = gone = False
    _more = True
    _waiting: "asyncio.Future[None] | None" = None

    def __init__(
        self,
        sock: "socket.socket | None",
        with_body: bool,
        expected: "int | None" = 0,
        body: bytes = b"",
    ) -> None:
        self._sock = sock
        self._with_body = with_body
        self._expected = expected
        self._body: bytes | None = body if expected == 0 else None

    def on_readable(self) -> None:
        """Take what the pytest process sends: a piece of the body, or that the client is gone."""
        assert self._sock is not None
        try:
            frame = wire.receive(self._sock)
        except (OSError, EOFError):
            asyncio.get_running_loop().remove_reader(self._sock)
            frame = ()
        if isinstance(frame, bytes):
            self._body = frame
        else:
            self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    async def receive(self) -> Event:
        """ASGI's receive."""
        if self._more and not self.gone:
            body = await self._piece()
            if body is not None:
                return {"type": "http.request", "body": body, "more_body": self._more}
        while not (self.gone or self.complete):
            await self._wait()
        return _GONE.copy()

    async def _piece(self) -> "bytes | None":
        """The next piece of the request's body, None where the client is gone.

        It notes whether it is the last one.
        """
        if self._expected != 0:
            assert self._sock is not None
            wire.send(self._sock, (messages.READ, _MOST_BYTES))
        while self._body is None:
            await self._wait()
            if self.gone:
                return None
        body, self._body = self._body, None
        if self._expected:
            self._expected = max(0, self._expected - len(body))
        self._more = bool(body) and self._expected != 0
        return body

    async def send(self, event: Event) -> None:
        """ASGI's send. What comes after the client is gone is dropped."""
        if self.gone:
            await asyncio.sleep(0)  # so that the app's other tasks can end it
            return
        kind = event["type"]
        if kind == "http.response.start" and not self.begun:
            self._begin(event)
        elif kind == "http.response.body" and self.begun and not self.complete:
            self._go_on(event)
            if not self.complete:
                await asyncio.sleep(0)  # for others, and to see whether the client is still there
        else:
            raise RuntimeError(f"the app sent {kind!r} where that cannot come")

    def _begin(self, event: Event) -> None:
        self.status = str(int(event["status"]))
        if self._sock is not None:
            headers = [
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in event.get("headers", ())
            ]
            wire.send(self._sock, (messages.HEAD, self.status, headers))
        self.begun = True

    def _go_on(self, event: Event) -> None:
        body = event.get("body", b"")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"an ASGI response is made of bytes, and the app gave a {type(body).__name__}"
            )
        if body and self._with_body and self._sock is not None:
            wire.send_bytes(self._sock, bytes(body))
        if not event.get("more_body", False):
            self.complete = True
            self._wake()


class Unseen(Exchange):
    """A request of a burst whose response nobody sees."""

    def __init__(self, body: bytes) -> None:
        self._expected = 0
        self._body = body

    async def send(self, event: Event) -> None:
        """ASGI's send, which does no more than it must: the last request's is seen."""
        if event["type"] == "http.response.start":
            self.begun, self.status = True, str(event["status"])
        elif event.get("more_body", False):
            await asyncio.sleep(0)
        else:
            self.complete = True
            self._wake()
