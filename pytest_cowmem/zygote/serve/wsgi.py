"""Serve one WSGI request, or one over and over. Runs in the worker."""

import io
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from pytest_cowmem.zygote import messages, wire

Environ = dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_REHEARSALS = 10  # CPython 3.11 writes to code at its eighth call
_ERROR_BODY = (
    b"<html><head><title>Internal Server Error</title></head>"
    b"<body><h1>Internal Server Error</h1></body></html>"
)
_ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "RAW_URI": "/",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "pytest-cowmem",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "localhost",
    "HTTP_ACCEPT": "*/*",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_USER_AGENT": "pytest-cowmem",
}
REHEARSALS = (
    ((messages.REQUEST, _ENVIRON, False), ()),
    ((messages.REQUEST, _ENVIRON, True), (b"body", b"")),
    ((messages.BURST, _ENVIRON, b"", 2, 60, 1), ()),
)


def refusal(app: Any) -> str:
    """Why an object is no WSGI app, as the end of a sentence; "" where it may be one."""
    if not callable(app):
        name = type(app).__name__
        return f"a {name}, which cannot be called: name a WSGI application or a factory call"
    return ""


def quiet_app(environ: Environ, start_response: Any) -> list[bytes]:
    """An app that does nothing: it touches what the harness itself touches."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]


def listening(app: WSGIApp, listen: Callable[[], None]) -> WSGIApp:
    """The same app, which calls `listen` first at each request.

    What that touches is touched here: it is rehearsed.
    """

    def before(inner: WSGIApp) -> WSGIApp:
        def serve(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            listen()
            return inner(environ, start_response)

        return serve

    rehearsed = before(lambda *_: ())
    for _ in range(_REHEARSALS):
        rehearsed({}, print)
    return before(app)


def start(app: WSGIApp) -> WSGIApp:
    """The same app: it has nothing to start."""
    return app


def stop(_served: WSGIApp) -> None:
    """Nothing was started."""


def quiet(_served: WSGIApp) -> WSGIApp:
    """The quiet app in the place of a worker's own."""
    return quiet_app


class RequestBody(io.RawIOBase):
    """A request's body, pulled from the pytest process piece by piece as the app reads it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        wire.send(self._sock, (messages.READ, len(view)))
        return wire.receive_into(self._sock, view)


class Response:
    """The server's side of one WSGI call; the status is sent with the first bytes."""

    __slots__ = ("_head", "_sock", "_with_body", "begun", "status")

    def __init__(self, sock: "socket.socket | None", with_body: bool) -> None:
        self._sock = sock
        self._with_body = with_body
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self.status = ""
        self.begun = False

    def again(self) -> "Response":
        """This object as new, for another call."""
        self._head = None
        self.begun = False
        return self

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """WSGI's start_response."""
        if exc_info is not None and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head is not None and exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        self.status = status
        self._head = (status, headers)
        return self.write

    def begin(self) -> None:
        """Send the status, once, before the first bytes or at the end."""
        if self._head is None:
            raise RuntimeError("the app returned without calling start_response")
        status, headers = self._head
        if not (isinstance(status, str) and status[:3].isdecimal() and status[3:4] in ("", " ")):
            raise ValueError(
                f"a WSGI status is a string such as '200 OK', and the app gave {status!r}"
            )
        if self._sock is not None:
            for name, value in headers:
                if not (isinstance(name, str) and isinstance(value, str)):
                    raise TypeError(
                        f"a WSGI header is two strings, and the app gave {name!r}: {value!r}"
                    )
                (name + value).encode("latin-1")
            pairs = [(str(name), str(value)) for name, value in headers]
            wire.send(self._sock, (messages.HEAD, str(status), pairs))
        self.begun = True

    def write(self, chunk: bytes) -> None:
        if not isinstance(chunk, bytes):
            raise TypeError(
                f"a WSGI response is made of bytes, and the app gave a {type(chunk).__name__}"
            )
        if chunk:
            if not self.begun:
                self.begin()
            if self._with_body and self._sock is not None:
                wire.send_bytes(self._sock, chunk)


def call_app(app: WSGIApp, environ: Environ, response: Response) -> None:
    """Run the app to the end of its response, and close what it returned, as PEP 3333 asks."""
    result = app(environ, response.start)
    try:
        for chunk in result:
            response.write(chunk)
        if not response.begun:
            response.begin()
    finally:
        if hasattr(result, "close"):
            result.close()


def answer(app: WSGIApp, environ: Environ, response: Response) -> bool:
    """Run the app; an exception becomes a 500. False where the response had begun before it."""
    try:
        call_app(app, environ, response)
    except Exception as error:
        traceback.print_exception(error)
        if response.begun:
            return False
        response.start(
            "500 Internal Server Error",
            [("Content-Type", "text/html"), ("Content-Length", str(len(_ERROR_BODY)))],
            (None, error, None),
        )
        response.write(_ERROR_BODY)
    return True


def complete(environ: Environ, body: Any) -> Environ:
    """Add what only the server's process can give to the client's `environ`."""
    environ["wsgi.version"] = (1, 0)
    environ["wsgi.input"] = body
    environ["wsgi.errors"] = sys.stderr
    environ["wsgi.multithread"] = False
    environ["wsgi.multiprocess"] = True
    environ["wsgi.run_once"] = False
    environ["wsgi.input_terminated"] = True
    return environ


def serve_request(sock: socket.socket, app: WSGIApp, environ: Environ, has_body: bool) -> None:
    """Serve one request; its body is pulled as the app reads it, the response sent as it comes."""
    body = io.BufferedReader(RequestBody(sock)) if has_body else io.BytesIO()
    response = Response(sock, environ["REQUEST_METHOD"] != "HEAD")
    if answer(app, complete(environ, body), response):
        wire.send(sock, (messages.DONE, 1))
    else:
        wire.send(sock, (messages.ABORTED,))


def serve_burst(
    sock: socket.socket,
    app: WSGIApp,
    request: Environ,
    body: bytes,
    times: int,
    seconds: float,
    _at_once: int,
) -> None:
    """Serve one request `times` times, all with the same status, and send the last response.

    A message says every `seconds` that they go on. A worker serves one request at a time.
    """
    clock = time.monotonic
    tell_at = clock() + seconds
    request = complete(request, None)
    unsent = Response(None, False)
    status = None
    for served in range(1, times + 1):
        last = served == times
        environ = request.copy()
        environ["wsgi.input"] = io.BytesIO(body)
        response = Response(sock, environ["REQUEST_METHOD"] != "HEAD") if last else unsent.again()
        if not answer(app, environ, response):
            wire.send(sock, (messages.ABORTED,))
            return
        if status is None:
            status = response.status
        if response.status != status:
            wire.send(sock, (messages.MIXED, status, response.status, served))
            return
        if clock() > tell_at:
            wire.send(sock, (messages.GOING,))
            tell_at = clock() + seconds
    wire.send(sock, (messages.DONE, times))
