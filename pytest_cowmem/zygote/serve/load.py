"""Import what an app's name names. Runs in the zygote and its forks."""

import sys
from typing import Any


class NotAnApp(Exception):
    """What was loaded cannot be served."""


def load(target: str) -> Any:
    """Import `module:attr` and return the attribute, which may be dotted; or a module alone."""
    module, colon, path = target.partition(":")
    __import__(module)
    value: Any = sys.modules[module]
    for name in path.split(".") if colon else ():
        value = getattr(value, name)
    return value
