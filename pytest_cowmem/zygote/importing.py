"""Import a module, and note what each import on the way cost. Runs in a process of its own.

It notes what -X importtime does: an import counts from the search for a module to its last line,
and what another import pulls in is within it. What this file needs itself is loaded already where
Python starts, so that no import is cheaper for it.
"""

import _frozen_importlib as bootstrap
import marshal
import os
import sys
from _thread import get_ident

_ENOUGH = 4096  # bytes of smaps_rollup
_NAME = b"\nAnonymous:"


class Import:
    """One import: a module, and the bytes that it cost with all that it pulled in."""

    __slots__ = ("bytes", "module", "within")  # litellm has 3,400

    def __init__(self, module: str) -> None:
        self.module = module
        self.bytes = 0
        self.within: "list[Import]" = []

    def told(self) -> "tuple[str, int, list[object]]":
        """The same as marshal takes it."""
        return self.module, self.bytes, [one.told() for one in self.within]


def anonymous(rollup: int) -> int:
    """Resident bytes of this process that no file backs; `rollup` is its smaps_rollup, open."""
    text = os.pread(rollup, _ENOUGH, 0)
    at = text.index(_NAME) + len(_NAME)
    return int(text[at : text.index(b"kB", at)]) * 1024


def watch(rollup: int, top: Import) -> None:
    """Note every import of this thread from now on, within `top`.

    What other threads import at the same time cannot be told apart. It counts to the import that is
    under way here.
    """
    # The interpreter calls it by this name, in C as well.
    find_and_load = bootstrap._find_and_load  # type: ignore[attr-defined]
    under_way = [top]
    thread = get_ident()

    def noted(name: str, import_: object) -> object:
        if name in sys.modules or get_ident() != thread:
            return find_and_load(name, import_)
        found = Import(name)
        under_way[-1].within.append(found)
        under_way.append(found)
        before = anonymous(rollup)
        try:
            return find_and_load(name, import_)
        finally:
            found.bytes = anonymous(rollup) - before
            under_way.pop()

    # Tracebacks and warnings pass over importlib's own frames, which they know by this.
    file = find_and_load.__code__.co_filename
    noted.__code__ = noted.__code__.replace(co_filename=file)
    bootstrap._find_and_load = noted  # type: ignore[attr-defined]


def origin(module: str) -> str:
    """The file that a module was loaded from, or a folder of a namespace; "" where it has none."""
    loaded = sys.modules[module]
    return getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", "")), "")


def main(out: str, module: str, expression: str, *paths: str) -> None:
    """Import a module and evaluate an expression in it; write what that cost to descriptor `out`.

    Where `out` is empty nothing is noted or written. `paths` come first on sys.path. The process
    ends here: the module's threads and exit handlers do not keep it.
    """
    sys.path[:0] = paths
    rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    top = Import("")
    if out:
        os.set_inheritable(int(out), False)
        watch(rollup, top)
    before = anonymous(rollup)
    __import__(module)
    if expression:
        _ = eval(expression, vars(sys.modules[module]))  # a master keeps it
    top.bytes = anonymous(rollup) - before
    if out:
        with open(int(out), "wb") as told:
            marshal.dump((origin(module), top.told()), told)
    os._exit(0)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    del sys.argv[1:]  # they are nothing to the module
    main(*arguments)
