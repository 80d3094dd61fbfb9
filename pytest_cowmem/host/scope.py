"""A request as ASGI's scope. Runs in the pytest process."""

from typing import Any
from urllib.parse import unquote

import httpx2

from pytest_cowmem.host.environ import PORTS

_VERSIONS = {"version": "3.0", "spec_version": "2.3"}  # what uvicorn says
_CLIENT = ("127.0.0.1", 50000)


def make_scope(request: httpx2.Request) -> dict[str, Any]:
    """The part of ASGI's scope that comes from the request, as uvicorn would fill it."""
    path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": _VERSIONS,
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": _CLIENT,
        "server": (request.url.host, request.url.port or PORTS[request.url.scheme]),
    }
