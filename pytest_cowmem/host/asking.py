"""What a worker is asked for, by the interface of its app. Runs in the pytest process.

A new interface is a line in each table.
"""

import pickle
from collections.abc import Callable
from typing import Any

import httpx2

from pytest_cowmem.host import answers
from pytest_cowmem.host.environ import PORTS, make_environ
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.scope import make_scope
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.zygote import messages, wire

_REQUESTS: dict[str, Callable[[httpx2.Request], dict[str, Any]]] = {
    "wsgi": make_environ,
    "asgi": make_scope,
}
NO_ARGUMENTS = pickle.dumps(((), {}))
# What each worker is asked for first, and what its answer ends with: it is the harness's own.
FIRST: dict[str, tuple[wire.Message, type[Any]]] = {
    "wsgi": ((messages.REQUEST, {"REQUEST_METHOD": "GET"}, False), answers.Done),
    "asgi": (
        (messages.REQUEST, {"type": "http", "method": "GET", "headers": []}, False),
        answers.Done,
    ),
    "call": ((messages.CALL, "gc:isenabled", NO_ARGUMENTS, 1, 60), bytes),
}


def as_message(request: httpx2.Request, master: Preforked) -> dict[str, Any]:
    """A request in the form that the app takes. UsageError where it takes none, or not this one."""
    make = _REQUESTS.get(master.facts.interface)
    if make is None:
        raise UsageError(
            f"{master.app.target!r} is preloaded for calls, and serves no requests: "
            'use cow_worker.call("module:function"), or name a WSGI or ASGI application'
        )
    if request.url.scheme not in PORTS or "websocket" in request.headers.get("upgrade", "").lower():
        raise UsageError(
            "WebSockets are not supported: measure what such an endpoint does through a request or "
            "cow_worker.call"
        )
    return make(request)


def refuse_at_once(at_once: int, master: Preforked) -> None:
    """UsageError where a worker cannot serve as many requests at once."""
    if at_once > 1 and master.app.server:
        raise UsageError(
            "a real server is asked for one request at a time: leave concurrency out, or measure "
            "this test in the built-in zygote, with cow_app(server=None)"
        )
    if at_once > 1 and master.facts.interface != "asgi":
        raise UsageError(
            f"a worker of {master.app.target!r} serves one request at a time: "
            "leave concurrency out, which is for ASGI applications"
        )
