"""A module alone, or an object that serves no requests: only its functions are called.

Runs in the worker.
"""

from collections.abc import Callable
from typing import Any

REHEARSALS = ()


def refusal(_app: Any) -> str:
    """Anything can be there to be loaded."""
    return ""


def quiet_app() -> None:
    """Nothing asks it for anything."""


def listening(app: Any, _listen: Callable[[], None]) -> Any:
    """The same app: nothing asks it for anything."""
    return app


def start(app: Any) -> Any:
    """The same app."""
    return app


def stop(_served: Any) -> None:
    """Nothing was started."""


def quiet(served: Any) -> Any:
    """The same app."""
    return served
