"""What a traced worker notes besides its page faults. Runs in a traced worker.

Both are about causes that no line with a page fault shows.
"""

import gc
import os
import sys
from types import FrameType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, stacks

_enable = gc.enable
_turned_on: "tuple[str, int] | None" = None


def watch_enabling() -> None:
    """Note from now on who first calls `gc.enable`, except by a name of his own for it."""
    gc.enable = _noting


def _noting() -> None:
    global _turned_on
    frame: "FrameType | None" = sys._getframe(1)
    if frame is not None and _turned_on is None:
        path = frame.f_code.co_filename
        if not path.startswith(stacks.ZYGOTE_SIDE):
            _turned_on = path, frame.f_lineno
    _enable()


def turned_on() -> "tuple[str, int] | None":
    """The file and line that first called `gc.enable`."""
    return _turned_on


def without_byte_code() -> "list[str]":
    """The loaded modules that have source, and no byte code on disk."""
    names = []
    for name, module in namespaces.loaded():
        spec: Any = namespaces.special(vars(module), "__spec__")
        cached = getattr(spec, "cached", None)
        if type(cached) is str and not os.path.exists(cached):
            names.append(name)
    return names
