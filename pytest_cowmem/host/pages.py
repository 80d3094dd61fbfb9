"""Which pages a worker has to itself, and what lies where in it. Runs in the pytest process.

Sources: as in host/procfs.py.
"""

import os
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_cowmem.host import procfs

_PYTHON = re.compile(r"/(lib)?python\d[^/]*$")

HEAP, STACK, INTERPRETER, LIBRARY, ALLOCATOR, OTHER = (
    "C heap",
    "stack",
    "interpreter data",
    "library data",
    "allocator",
    "other",
)
THREAD_STACK, MAPPED, GUARD = "thread stack", "mapped memory", "guard"

_ARENA = (
    1 << 20
)  # CPython's allocator maps so many bytes at a time since 3.10; what malloc maps has a header besides, and is no multiple
_THREAD_HEAP = (
    1 << 26
)  # where glibc's heap of a thread begins is a multiple of this; the unused rest of it cannot be read


@dataclass(frozen=True)
class Pages:
    """Sorted page numbers (an address divided by the page size): what the twin has a page for too, and what it has not."""

    copied: "array[int]"
    fresh: "array[int]"

    def since(self, before: "Pages") -> "Pages":
        """Those that have come since `before`."""
        old = {*before.copied, *before.fresh}
        return Pages(
            *(
                array("Q", [page for page in pages if page not in old])
                for pages in (self.copied, self.fresh)
            )
        )


@dataclass(frozen=True)
class Region:
    """A mapping: addresses from `start` to `end`, what kind of memory it is, and the file or kernel name behind it."""

    start: int
    end: int
    kind: str
    name: str


def private_pages(worker: int, twin: int, proc: Path = procfs.PROC) -> Pages:
    """The worker's anonymous pages that nobody shares."""
    found = Pages(array("Q"), array("Q"))
    for first, own, there in procfs.private_ranges(worker, twin, proc):
        place = own.find(1)
        while place >= 0:
            (found.copied if there[place] else found.fresh).append(first + place)
            place = own.find(1, place + 1)
    return found


class Regions:
    """The mappings of a process, to look addresses up in."""

    def __init__(self, pid: int, proc: Path = procfs.PROC) -> None:
        executable = os.readlink(proc / str(pid) / "exe")
        self._all: list[Region] = []
        for line in (proc / str(pid) / "maps").read_text().splitlines():
            span, mode, _, _, _, *path = line.split(None, 5)
            start, end = (int(word, 16) for word in span.split("-"))
            name = path[0] if path else ""
            kind = _kind(name, mode, end - start, executable)
            before = self._all[-1] if self._all and self._all[-1].end == start else None
            if not name and before is not None:
                if before.kind in (INTERPRETER, LIBRARY):
                    kind, name = (
                        before.kind,
                        before.name,
                    )  # what a library's data needs beyond its file follows it without a name
                elif kind in (ALLOCATOR, MAPPED) and before.kind == GUARD:
                    kind = THREAD_STACK
                elif (
                    kind == GUARD
                    and before.kind in (ALLOCATOR, MAPPED)
                    and before.start % _THREAD_HEAP == 0
                ):
                    self._all[-1] = replace(before, kind=HEAP)
            self._all.append(Region(start, end, kind, name))
        self._starts = [region.start for region in self._all]

    def at(self, page: int) -> Region:
        """The mapping a page lies in."""
        address = page * procfs.PAGE
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._all[index].end:
            return self._all[index]
        return Region(address, address + procfs.PAGE, OTHER, "")


def _kind(name: str, mode: str, size: int, executable: str) -> str:
    if name == "[heap]":
        return HEAP
    if name.startswith("[stack"):
        return STACK
    if not name or name.startswith("[anon"):
        return (
            GUARD
            if mode.startswith("---")
            else OTHER
            if "w" not in mode
            else MAPPED
            if size % _ARENA
            else ALLOCATOR
        )
    if name == executable or _PYTHON.search(name):
        return INTERPRETER
    return LIBRARY if name.startswith("/") else OTHER
