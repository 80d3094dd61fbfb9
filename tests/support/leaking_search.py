"""Search for what a module leaks, in a process that has loaded little: a search walks all of it.

The module's source comes on standard input. What is printed is JSON: the keepers, the objects by
type, and which special methods of `hostile` were called. Runs in a process of its own.
"""

import json
import sys
from types import ModuleType
from typing import Any

import hostile

from pytest_cowmem.zygote import messages, worker
from pytest_cowmem.zygote.trace import leaking

NAME = "leaking_shop"
CONFIG: dict[str, Any] = {"target": f"{NAME}:app", "path": [], "after_fork": None, "gc": "default"}


def main() -> None:
    """Call the module's `grow` once between looks, and tell what is left."""
    module = sys.modules[NAME] = ModuleType(NAME)
    exec(compile(sys.stdin.read(), f"{NAME}.py", "exec"), vars(module))
    preloaded = worker.Preloaded(object(), None, CONFIG)  # type: ignore[arg-type]
    for _ in range(3):
        assert leaking.answer(messages.LOOK) == (messages.LOOK,)
        module.grow()
    del preloaded
    kind, kept, more = leaking.answer(messages.LEFT)
    assert kind == messages.LEFT
    json.dump({"kept": kept, "more": dict(more), "called": hostile.CALLED}, sys.stdout)


main()
