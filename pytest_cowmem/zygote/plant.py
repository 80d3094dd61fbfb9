"""Plant a regression, to see whether the gate notices. Runs in the worker, in those rounds only."""

import gc
import itertools
import mmap
import sys
from collections.abc import Iterator
from typing import Any

_ITERATED = (list, tuple, set, frozenset)
_SIZES = (48, 64, 112, 224, 480, 1000, 4000)  # bytes of objects: pymalloc's and libc's
_BYTES_OBJECT = 33  # sys.getsizeof(b"")
_MOST_OBJECTS = 1_000_000  # looked at for one request, so that a heap without new pages ends it


def plant(kind: str, pages: int) -> int:
    """Plant `pages` more pages of one kind; returns how many could be."""
    return {"read": read, "allocate": allocate, "keep": keep}[kind](pages)


def read(pages: int) -> int:
    """Refer to the app's objects until `pages` more pages are reached; returns how many were."""
    before = len(_reached)
    for looked_at, obj in enumerate(_objects):
        _reached.add(id(obj) // mmap.PAGESIZE)
        if len(_reached) - before >= pages or looked_at > _MOST_OBJECTS:
            break
    return len(_reached) - before


def allocate(pages: int) -> int:
    """Write to `pages` new pages and keep them."""
    fresh = mmap.mmap(-1, pages * mmap.PAGESIZE)
    for page in range(pages):
        fresh[page * mmap.PAGESIZE] = 1
    _kept.append(fresh)
    return pages


def keep(pages: int) -> int:
    """Keep objects of `pages` pages in all, as a cache would; free memory takes some of them."""
    left = pages * mmap.PAGESIZE
    for size in itertools.cycle(_SIZES):
        if left <= 0:
            return pages
        _objects_kept.append(bytes(size - _BYTES_OBJECT))
        left -= size
    return pages


def walk() -> Iterator[Any]:
    """All objects that can be reached from the modules, each once.

    They come one at a time, since a reference taken is a page written. This module's own globals
    are left out, which grow as the walk goes on.
    """
    seen = {id(globals())}
    stack: list[Iterator[Any]] = [iter(sys.modules.values())]
    while stack:
        try:
            obj = next(stack[-1])
        except (StopIteration, RuntimeError):
            # RuntimeError: the app changed the container's size, in a thread or in a collection
            stack.pop()
            continue
        if id(obj) not in seen:
            seen.add(id(obj))
            yield obj
            stack.append(parts(obj))


def parts(obj: Any) -> Iterator[Any]:
    """What an object refers to, one by one: a list of them would refer to all at once."""
    if type(obj) in _ITERATED:
        return iter(obj)
    if type(obj) is dict:
        return iter(obj.values())
    return iter(gc.get_referents(obj))


_objects = walk()
_reached: set[int] = set()
_kept: list[mmap.mmap] = []
_objects_kept: list[bytes] = []
