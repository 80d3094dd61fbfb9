"""Plant a regression, to see whether the gate notices. Runs in the worker, in rounds that prove the gate and in no other."""

import gc
import mmap
import sys
from collections.abc import Iterator
from typing import Any

_ITERATED = (list, tuple, set, frozenset)
_MOST_OBJECTS = 1_000_000  # looked at for one request, so that an exhausted heap ends it


def plant(kind: str, pages: int) -> int:
    """Dirty `pages` more pages, by referring to objects ("read") or by new pages that stay ("allocate"); how many it could."""
    return read(pages) if kind == "read" else allocate(pages)


def read(pages: int) -> int:
    """Refer to objects until `pages` pages have been reached for the first time; fewer when no object is left."""
    before = len(_reached)
    for looked_at, found in enumerate(_objects):
        _reached.add(id(found) // mmap.PAGESIZE)
        if len(_reached) - before >= pages or looked_at > _MOST_OBJECTS:
            break
    return len(_reached) - before


def allocate(pages: int) -> int:
    """Write to `pages` new pages."""
    fresh = mmap.mmap(-1, pages * mmap.PAGESIZE)
    for page in range(pages):
        fresh[page * mmap.PAGESIZE] = 1
    _kept.append(fresh)
    return pages


def walk() -> Iterator[Any]:
    """All objects that can be reached from the modules, each once, one at a time: a reference taken is a page written.

    But for what this module keeps, which grows as the walk goes on.
    """
    seen = {id(globals())}
    stack: list[Iterator[Any]] = [iter(sys.modules.values())]
    while stack:
        try:
            found = next(stack[-1])
        except (
            StopIteration,
            RuntimeError,
        ):  # at its end, or the app has changed its size: in a thread, or as a collection ran
            stack.pop()
            continue
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            stack.append(parts(found))


def parts(found: Any) -> Iterator[Any]:
    """What an object refers to; of the builtin containers one by one, since a list of them all would refer to all at once."""
    if type(found) in _ITERATED:
        return iter(found)
    if type(found) is dict:
        return iter(found.values())
    return iter(gc.get_referents(found))


_objects = walk()
_reached: set[int] = set()
_kept: list[mmap.mmap] = []
