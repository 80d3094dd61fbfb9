"""Serve one ASGI request, or one over and over. Runs in the worker.

What the specification leaves open is as in uvicorn: what a request's scope has, and what follows an
exception.
"""

import asyncio
import socket
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_cowmem.zygote import messages, wire
from pytest_cowmem.zygote.serve import loop
from pytest_cowmem.zygote.serve.exchange import Event, Exchange, Unseen
from pytest_cowmem.zygote.serve.lifespan import VERSIONS, Lifespan

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_REHEARSALS = 10  # CPython 3.11 writes to code at its eighth call
_ERROR_BODY = b"Internal Server Error"
_SCOPE: Scope = {
    "type": "http",
    "asgi": VERSIONS,
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost"), (b"content-length", b"4")],
    "client": ("127.0.0.1", 50000),
    "server": ("localhost", 80),
}
REHEARSALS = (
    ((messages.REQUEST, _SCOPE, False), ()),
    ((messages.REQUEST, _SCOPE, True), (b"body",)),
    ((messages.BURST, _SCOPE, b"", 2, 60, 1), ()),
)


def refusal(app: Any) -> str:
    """Why an object is no ASGI app, as the end of a sentence; "" where it may be one."""
    if callable(app):
        return ""
    name = type(app).__name__
    return f"a {name}, which cannot be called: name an ASGI application or a factory call"


async def quiet_app(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that does nothing: it touches what the harness itself touches."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"rea", "more_body": True})
    await send({"type": "http.response.body", "body": b"dy"})


def listening(app: ASGIApp, listen: Callable[[], None]) -> ASGIApp:
    """The same app, which calls `listen` first at each request.

    What that touches is touched here: it is rehearsed.
    """

    def before(inner: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            listen()
            await inner(scope, receive, send)

        return serve

    exchange = Exchange(None, with_body=False)
    for _ in range(_REHEARSALS):
        try:
            rehearsed = before(quiet_app)({"type": ""}, exchange.receive, exchange.send)
            rehearsed.send(None)  # type: ignore[attr-defined]
        except StopIteration:
            continue
    return before(app)


class Served:
    """An app that has started up, and its life."""

    __slots__ = ("app", "lifespan")

    def __init__(self, app: ASGIApp, lifespan: Lifespan) -> None:
        self.app = app
        self.lifespan = lifespan

    def scope(self, scope: Scope) -> Scope:
        """A request's scope for one call of the app, which may change it."""
        headers, state = scope["headers"].copy(), self.lifespan.state.copy()
        return {**scope, "headers": headers, "state": state}


def start(app: ASGIApp) -> Served:
    """The app, once its startup is over. What that started goes on for the worker's life."""
    lifespan = Lifespan(app)
    loop.run(lifespan.start())
    loop.know_all()
    return Served(app, lifespan)


def stop(served: Served) -> None:
    """Have the app shut down, and end the loop."""
    loop.run(served.lifespan.stop())
    loop.close()


def quiet(served: Served) -> Served:
    """The quiet app in the place of a worker's own."""
    return Served(quiet_app, served.lifespan)


async def answer(app: ASGIApp, scope: Scope, exchange: Exchange) -> bool:
    """Run the app; an exception becomes a 500. False where the response had begun before it."""
    try:
        await app(scope, exchange.receive, exchange.send)
        if not (exchange.complete or exchange.gone):
            raise RuntimeError("the app returned before its response was complete")
    except BaseException as error:
        traceback.print_exception(error)
    if exchange.complete or exchange.gone:
        return True
    if exchange.begun:
        return False
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(_ERROR_BODY)),
    ]
    await exchange.send({"type": "http.response.start", "status": 500, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": _ERROR_BODY})
    return True


def serve_request(sock: socket.socket, served: Served, scope: Scope, has_body: bool) -> None:
    """Serve one request, and the tasks that it starts."""
    whole = loop.run(_serve(sock, served, scope, has_body))
    wire.send(sock, (messages.DONE, 1) if whole else (messages.ABORTED,))


async def _serve(sock: socket.socket, served: Served, scope: Scope, has_body: bool) -> bool:
    expected = _length(scope["headers"]) if has_body else 0
    exchange = Exchange(sock, scope["method"] != "HEAD", expected)
    running = asyncio.get_running_loop()
    running.add_reader(sock, exchange.on_readable)
    try:
        whole = await answer(served.app, served.scope(scope), exchange)
        await loop.settle()
    finally:
        running.remove_reader(sock)
    return whole


def _length(headers: "list[tuple[bytes, bytes]]") -> "int | None":
    """How many bytes a request's body has; None where it comes in chunks."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


class Burst:
    """One request `times` times, all with the same status. The last response is sent.

    A message says every `seconds` that they go on.
    """

    def __init__(
        self,
        sock: socket.socket,
        served: Served,
        scope: Scope,
        body: bytes,
        times: int,
        seconds: float,
    ) -> None:
        self._sock, self._served, self._scope, self._body = sock, served, scope, body
        self._times, self._seconds = times, seconds
        self._begun = 0
        self._tell_at = time.monotonic() + seconds
        self._status = ""
        self._problem: wire.Message | None = None

    async def run(self, at_once: int) -> wire.Message:
        """Serve as many at once; how that went."""
        if at_once == 1:
            await self._one_after_another()
        else:
            await asyncio.gather(*(self._one_after_another() for _ in range(at_once)))
        await loop.settle()
        return self._problem or (messages.DONE, self._times)

    async def _one_after_another(self) -> None:
        while self._begun < self._times and not self._problem:
            self._begun += 1
            # A task for each would take a tenth of the time of a small FastAPI request.
            await loop.in_own_context(self._serve(self._begun))
            if time.monotonic() > self._tell_at:
                wire.send(self._sock, (messages.GOING,))
                self._tell_at = time.monotonic() + self._seconds

    async def _serve(self, number: int) -> None:
        """Serve one, and note what is wrong with it."""
        exchange: Exchange = Unseen(self._body)
        if number == self._times:
            exchange = Exchange(self._sock, self._scope["method"] != "HEAD", body=self._body)
        if not await answer(self._served.app, self._served.scope(self._scope), exchange):
            self._problem = (messages.ABORTED,)
        self._status = self._status or exchange.status
        if exchange.status != self._status:
            self._problem = (messages.MIXED, self._status, exchange.status, number)


def serve_burst(
    sock: socket.socket,
    served: Served,
    scope: Scope,
    body: bytes,
    times: int,
    seconds: float,
    at_once: int,
) -> None:
    """Serve one request over and over, and say that they are done."""
    burst = Burst(sock, served, scope, body, times, seconds)
    wire.send(sock, loop.run(burst.run(at_once)))
