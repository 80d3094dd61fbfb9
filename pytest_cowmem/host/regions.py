"""What kinds of memory a process has, and where. Runs in the pytest process.

Sources: as in host/procfs.py.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_cowmem.host import procfs

HEAP = "C heap"
STACK = "stack"
INTERPRETER = "interpreter data"
LIBRARY = "library data"
ALLOCATOR = "allocator"
THREAD_STACK = "thread stack"
MAPPED = "mapped memory"
GUARD = "guard"
OTHER = "other"

_PYTHON = re.compile(r"/(lib)?python\d[^/]*$")
# CPython's allocator maps multiples of this since 3.10. What malloc maps has a header besides.
_ARENA = 1 << 20
# glibc's heap of a thread begins at a multiple of this, and the unused rest of it cannot be read.
_THREAD_HEAP = 1 << 26


@dataclass(frozen=True)
class Region:
    """A mapping: addresses from `start` to `end`, what kind of memory it is, and its name.

    The name is that of a file or one the kernel gives, and often empty. `shared` says that it is
    shared for writing.
    """

    start: int
    end: int
    kind: str
    name: str
    shared: bool = False


class Regions:
    """The mappings of a process, to look addresses up in."""

    def __init__(self, pid: int, proc: Path = procfs.PROC) -> None:
        self._all: list[Region] = []
        executable = os.readlink(proc / str(pid) / "exe")
        for line in (proc / str(pid) / "maps").read_text().splitlines():
            self._add(_region(line, executable))
        self._starts = [region.start for region in self._all]

    def _add(self, region: Region) -> None:
        """Keep a region; a neighbour can say of what kind a nameless one is, and the reverse."""
        before = self._all[-1] if self._all else None
        if before is not None and before.end == region.start and not region.name:
            if _may_go_on(before, region):
                region = replace(region, kind=before.kind, name=before.name)
            elif before.kind == GUARD and region.kind in (ALLOCATOR, MAPPED):
                region = replace(region, kind=THREAD_STACK)
            elif region.kind == GUARD and _may_be_a_threads_heap(before):
                self._all[-1] = replace(before, kind=HEAP)
        self._all.append(region)

    def __iter__(self) -> Iterator[Region]:
        return iter(self._all)

    def at(self, page: int) -> Region:
        """The mapping a page lies in; one of that page alone where there is none."""
        address = page * procfs.PAGE
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._all[index].end:
            return self._all[index]
        return Region(address, address + procfs.PAGE, OTHER, "")


def _may_go_on(library: Region, region: Region) -> bool:
    """Whether a nameless region may be what a library's data needs beyond its file.

    That follows the file. But so do arenas: the kernel puts a mapping below the last one.
    """
    is_library = library.kind in (INTERPRETER, LIBRARY) and not library.shared
    return is_library and region.end - region.start < _ARENA


def _may_be_a_threads_heap(region: Region) -> bool:
    return region.kind in (ALLOCATOR, MAPPED) and region.start % _THREAD_HEAP == 0


def _region(line: str, executable: str) -> Region:
    """The region of a line of /proc/PID/maps, without regard to its neighbours."""
    span, mode, _, _, _, *path = line.split(None, 5)
    start, end = (int(address, 16) for address in span.split("-"))
    name = path[0] if path else ""
    kind = _kind(name, mode, end - start, executable)
    return Region(start, end, kind, name, shared=mode[1] == "w" and mode[3] == "s")


def _kind(name: str, mode: str, size: int, executable: str) -> str:
    if name == "[heap]":
        return HEAP
    if name.startswith("[stack"):
        return STACK
    if not name or name.startswith("[anon"):
        return _kind_without_a_name(mode, size)
    if name == executable or _PYTHON.search(name):
        return INTERPRETER
    return LIBRARY if name.startswith("/") else OTHER


def _kind_without_a_name(mode: str, size: int) -> str:
    if mode.startswith("---"):
        return GUARD
    if "w" not in mode:
        return OTHER
    return MAPPED if size % _ARENA else ALLOCATOR
