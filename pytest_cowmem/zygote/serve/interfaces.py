"""The interfaces that an app can have, and how to find an app's. Runs in the zygote.

A new interface is a new module with what `Interface` names, and a line in INTERFACES.
"""

import importlib
import socket
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any, Protocol

from pytest_cowmem.zygote import wire
from pytest_cowmem.zygote.serve.load import NotAnApp, load

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE; inspect itself is a large import
_ASGI_ARGUMENTS = 3  # scope, receive, send


class Interface(Protocol):
    """What a module that serves one interface has.

    `REHEARSALS` are messages of every kind that the app may get, each with the frames of its body.
    """

    REHEARSALS: "tuple[tuple[wire.Message, tuple[bytes, ...]], ...]"

    def refusal(self, app: Any) -> str:
        """Why it cannot serve this app, as the end of a sentence; "" where it can."""

    def quiet_app(self, *arguments: Any) -> Any:
        """An app that does nothing."""

    def listening(self, app: Any, listen: "Callable[[], None]") -> Any:
        """The same app, which calls `listen` first at each request."""

    def start(self, app: Any) -> Any:
        """Have an app start up in this worker; what then serves."""

    def quiet(self, served: Any) -> Any:
        """The quiet app in the place of what serves in this worker."""

    def stop(self, served: Any) -> None:
        """Have what serves shut down."""

    def serve_request(
        self, sock: socket.socket, served: Any, request: "dict[str, Any]", has_body: bool
    ) -> None:
        """Serve one request, and say that it is done."""

    def serve_burst(
        self,
        sock: socket.socket,
        served: Any,
        request: "dict[str, Any]",
        body: bytes,
        times: int,
        seconds: float,
        at_once: int,
    ) -> None:
        """Serve one request over and over, and say that they are done."""


# Each is loaded for the apps that have it.
INTERFACES = {
    name: f"pytest_cowmem.zygote.serve.{module}"
    for name, module in (("wsgi", "wsgi"), ("asgi", "asgi"), ("call", "alone"))
}


def load_app(
    target: str, factory: "tuple[Sequence[Any], dict[str, Any]] | None", name: str
) -> "tuple[Any, str]":
    """Import an app; it, and the name of its interface. NotAnApp where that cannot serve it.

    `factory` holds the arguments of a factory call. `name` is an interface's, or "auto". A module
    that is named alone is its `application`, where it has one.
    """
    app = load(target)
    if ":" not in target and name != "call":
        app = getattr(app, "application", app)
    if factory is not None:
        args, kwargs = factory
        app = app(*args, **kwargs)
    name = found(app) if name == "auto" else name
    refusal = interface(name).refusal(app)
    if refusal:
        raise NotAnApp(f"{target} is {refusal}")
    return app, name


def interface(name: str) -> Interface:
    """The module that serves an interface."""
    module: Any = importlib.import_module(INTERFACES[name])
    served: Interface = module
    return served


def found(app: Any) -> str:
    """The interface that an app seems to have."""
    if not callable(app):
        return "call"
    while hasattr(type(app), "func"):  # a functools.partial
        app = app.func
    if isinstance(app, type):
        return "asgi" if hasattr(app, "__await__") else "wsgi"
    function: Any = app if isinstance(app, (FunctionType, MethodType)) else type(app).__call__
    bound = not isinstance(app, FunctionType)
    function = getattr(function, "__func__", function)
    while "__wrapped__" in getattr(function, "__dict__", ()):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:
        return "wsgi"
    is_async = code.co_flags & _CO_COROUTINE or code.co_argcount - bound == _ASGI_ARGUMENTS
    return "asgi" if is_async else "wsgi"
