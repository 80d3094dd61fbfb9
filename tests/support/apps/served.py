"""An app for real servers: WSGI and ASGI, with the standard library alone."""

import gc
import os
import signal

KEPT = 1 << 20
kept = []


def hello():
    return b"hello"


def keep():
    """Keep 1 MiB of pages of its own."""
    kept.append(bytearray(KEPT))
    return b"kept"


def noted():
    return os.environ.get("NOTED", "").encode()


def collect():
    return str(gc.collect()).encode()


def collects():
    return str(gc.isenabled()).encode()


def die():
    os.kill(os.getpid(), signal.SIGSEGV)


def halt():
    os._exit(3)  # for which gunicorn ends, too


def leave_a_fork():
    """Leave a fork of its own, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    return b"left"


def note(name):
    """Note in the environment that something was called, in this process and its forks."""
    os.environ["NOTED"] = f"{os.environ.get('NOTED', '')} {name}".strip()


def prepare():
    note("prepare")


def after_fork():
    note("after_fork")


def broken():
    """A factory that makes no app."""
    raise RuntimeError("no database")


_PAGES = hello, keep, noted, collect, collects, die, halt, leave_a_fork
PAGES = {f"/{page.__name__}": page for page in _PAGES}


def app(environ, start_response):
    body = PAGES[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        note("lifespan")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    body = PAGES[scope["path"]]()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
