"""Load what production preloads. Runs in the zygote."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Environ = dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE; inspect itself is a large import


class NotAnApp(Exception):
    """What was loaded cannot be served."""


def load(target: str) -> Any:
    """Import `module:attr`; the attribute may be dotted."""
    module, _, path = target.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for name in path.split("."):
        found = getattr(found, name)
    return found


def load_wsgi(target: str, factory: "tuple[Sequence[Any], dict[str, Any]] | None") -> WSGIApp:
    """Import a WSGI app, calling it first when it is a factory (its arguments are given)."""
    app = load(target)
    if factory is not None:
        args, kwargs = factory
        app = app(*args, **kwargs)
    if not callable(app):
        raise NotAnApp(
            f"{target} is a {type(app).__name__}, which cannot be called: name a WSGI application or a factory call"
        )
    for function in (app, type(app).__call__):
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _CO_COROUTINE:
            raise NotAnApp(
                f"{target} is an ASGI application: only WSGI applications can be measured so far"
            )
    return app  # type: ignore[no-any-return]
