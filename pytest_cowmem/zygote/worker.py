"""One round's life: be forked, get ready, serve requests until the socket closes. Runs in the worker."""

import gc
import pickle
import socket
import sys
import traceback
from typing import Any

from pytest_cowmem.zygote import pauses, wire
from pytest_cowmem.zygote.serve import load, wsgi

_MOST_BYTES_OF_AN_ANSWER = 4096
ENVIRON = {
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


def quiet_app(environ: load.Environ, start_response: Any) -> list[bytes]:
    """An app that does nothing: what the harness itself touches is touched before the worker is ready."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]


def work(
    sock: socket.socket, app: Any, after_fork: "str | None", collect: bool, table: "memoryview[int]"
) -> None:
    """Serve this worker's round. The first exchange is the harness's own, and over when the worker is ready."""
    rehearse(1)
    if collect:
        gc.enable()
    if after_fork:
        load.load(after_fork)()
    pauses.arm(table)
    wire.send(sock, ("forked",))
    if handle(sock, quiet_app):
        while handle(sock, app):
            pass


def rehearse(times: int) -> None:
    """Serve itself a message of every kind, so that the harness's own pages are written before the worker is ready.

    In the zygote it lets CPython specialise the harness's code, which writes to it, once for all forks.
    """
    near, far = socket.socketpair()
    with near, far:
        for _ in range(times):
            for message, body in (
                (("request", ENVIRON, False), ()),
                (("request", ENVIRON, True), (b"body", b"")),
                (("burst", ENVIRON, b"", 2, 60), ()),
                (("call", "gc:isenabled", pickle.dumps(((), {}))), ()),
            ):
                wire.send(near, message)
                for piece in body:
                    wire.send_bytes(near, piece)
                handle(far, quiet_app)
                near.recv(_MOST_BYTES_OF_AN_ANSWER)


def handle(sock: socket.socket, app: Any) -> bool:
    """Serve one message; False when the pytest process has closed its end."""
    try:
        message = wire.receive(sock)
    except EOFError:
        return False
    kind, *rest = message
    if kind == "request":
        wsgi.serve_request(sock, app, *rest)
    elif kind == "burst":
        wsgi.serve_burst(sock, app, *rest)
    elif kind == "call":
        serve_call(sock, *rest)
    elif kind in ("begin", "mark", "charged", "held"):
        # Already loaded: by the twin, before it forked this worker.
        from pytest_cowmem.zygote.trace import traced_round

        wire.send(sock, traced_round.answer_in_worker(kind, *rest))
    elif kind == "plant":
        from pytest_cowmem.zygote import plant  # only where the gate is being proved

        wire.send(sock, ("planted", plant.plant(*rest)))
    elif kind == "modules":
        wire.send(sock, ("modules", list(sys.modules), pauses.armed()))
    else:
        raise RuntimeError(
            f"a worker was sent the unknown message {kind!r}: please report this as a bug of pytest-cowmem"
        )
    sys.stdout.flush()
    return True


def serve_call(sock: socket.socket, target: str, arguments: bytes) -> None:
    """Call `module:function` with pickled (args, kwargs); answers with the pickled result, or with the traceback."""
    try:
        args, kwargs = pickle.loads(arguments)
        returned = load.load(target)(*args, **kwargs)
        try:
            result = pickle.dumps(returned)
        except Exception as error:
            raise TypeError(
                f"what it returned cannot be sent back ({error}): return what pickle can hold"
            ) from None
    except Exception as error:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        wire.send(sock, ("raised", f"{type(error).__name__}: {error}", text))
    else:
        wire.send(sock, ("returned",))
        wire.send_bytes(sock, result)
