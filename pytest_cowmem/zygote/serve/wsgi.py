"""Serve one WSGI request, or one over and over. Runs in the worker."""

import io
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from pytest_cowmem.zygote import wire
from pytest_cowmem.zygote.serve.load import Environ, WSGIApp

_ERROR_BODY = b"<html><head><title>Internal Server Error</title></head><body><h1>Internal Server Error</h1></body></html>"


class RequestBody(io.RawIOBase):
    """A request's body, pulled from the pytest process piece by piece as the app reads it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        wire.send(self._sock, ("read", len(view)))
        return wire.receive_into(self._sock, view)


class Response:
    """The server's side of one WSGI call: sends the status with the first bytes, the body as it comes."""

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
            wire.send(
                self._sock,
                ("start", str(status), [(str(name), str(value)) for name, value in headers]),
            )
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
    """Run the app; an exception becomes a 500 with its traceback on stderr. False if it came after the response had begun."""
    try:
        call_app(app, environ, response)
    except Exception as error:
        traceback.print_exception(type(error), error, error.__traceback__)
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
    """Add to `environ`, which the client made from the request, what only the server's process can give."""
    environ["wsgi.version"] = (1, 0)
    environ["wsgi.input"] = body
    environ["wsgi.errors"] = sys.stderr
    environ["wsgi.multithread"] = False
    environ["wsgi.multiprocess"] = True
    environ["wsgi.run_once"] = False
    environ["wsgi.input_terminated"] = True
    return environ


def serve_request(sock: socket.socket, app: WSGIApp, environ: Environ, streamed_body: bool) -> None:
    """Serve one request: the body is pulled as the app reads it, the response sent as it comes."""
    body = io.BufferedReader(RequestBody(sock)) if streamed_body else io.BytesIO()
    response = Response(sock, environ["REQUEST_METHOD"] != "HEAD")
    if answer(app, complete(environ, body), response):
        wire.send(sock, ("done", 1))
    else:
        wire.send(sock, ("aborted",))


def serve_burst(
    sock: socket.socket, app: WSGIApp, request: Environ, body: bytes, times: int, seconds: float
) -> None:
    """Serve one request `times` times; the last response is sent, the others must have the same status.

    Where the requests take longer than `seconds`, the pytest process is told in between that they go on.
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
            wire.send(sock, ("aborted",))
            return
        if status is None:
            status = response.status
        if response.status != status:
            wire.send(sock, ("mixed", status, response.status, served))
            return
        if clock() > tell_at:
            wire.send(sock, ("going",))
            tell_at = clock() + seconds
    wire.send(sock, ("done", times))
