"""The interfaces that an app can have, and how to find an app's. Runs in the zygote.

A new interface is a new module with what `Interface` names, and a line in INTERFACES.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pytest_cowmem.zygote.serve import wsgi
from pytest_cowmem.zygote.serve.load import NotAnApp, load


class Interface(Protocol):
    """What a module that serves one interface has."""

    def refusal(self, app: Any) -> str:
        """Why it cannot serve this app, as the end of a sentence; "" where it can."""

    def quiet_app(self, *arguments: Any) -> Any:
        """An app that does nothing."""

    def listening(self, app: Any, listen: "Callable[[], None]") -> Any:
        """The same app, which calls `listen` first at each request."""

    def serve_request(
        self, sock: socket.socket, app: Any, environ: "dict[str, Any]", has_body: bool
    ) -> None:
        """Serve one request, and say that it is done."""

    def serve_burst(
        self,
        sock: socket.socket,
        app: Any,
        environ: "dict[str, Any]",
        body: bytes,
        times: int,
        seconds: float,
    ) -> None:
        """Serve one request over and over, and say that they are done."""


INTERFACES: "dict[str, Interface]" = {"wsgi": wsgi}


def load_app(
    target: str, factory: "tuple[Sequence[Any], dict[str, Any]] | None", name: str
) -> "tuple[Any, Interface]":
    """Import an app, and find its interface; NotAnApp where none can serve it.

    `factory` holds the arguments of a factory call. `name` is an interface's, or "auto".
    """
    app = load(target)
    if factory is not None:
        args, kwargs = factory
        app = app(*args, **kwargs)
    refusal = ""
    for interface in INTERFACES.values() if name == "auto" else (INTERFACES[name],):
        refusal = interface.refusal(app)
        if not refusal:
            return app, interface
    raise NotAnApp(f"{target} is {refusal}")
