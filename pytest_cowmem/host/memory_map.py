"""Draw a worker's memory, page by page. Runs in the pytest process.

The worker is blocked meanwhile. No loop of Python's goes over its shared pages.
"""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pytest_cowmem.host import procfs
from pytest_cowmem.host.regions import ALLOCATOR, HEAP, MAPPED, STACK, THREAD_STACK, Regions
from pytest_cowmem.model.memory_map import (
    ABSENT,
    COPIED,
    FRESH,
    READY,
    SHARED,
    MappedRegion,
    MemoryMap,
    Run,
)

Causes = Mapping[int, tuple[str, str]]  # a page's state and module, by its number

_STATES = (ABSENT, SHARED, COPIED, FRESH, READY)  # the letters of a stretch are their numbers here
_ABSENT, _SHARED, _COPIED, _FRESH, _READY = range(len(_STATES))
_HERE, _OWN, _IN_TWIN = 1, 2, 4


def _state(flags: int) -> int:
    if flags & _OWN:
        return _COPIED if flags & _IN_TWIN else _FRESH
    return _SHARED if flags & _HERE else _ABSENT


_OF_FLAGS = bytes(map(_state, range(256)))  # for bytes.translate
_ALIKE = re.compile(rb"(.)\1*", re.DOTALL)
# What a process takes for itself. All else maps files, which share what nobody writes to.
_TAKEN = (HEAP, ALLOCATOR, MAPPED, STACK, THREAD_STACK)
_UNKNOWN: Causes = MappingProxyType({})


class Stretch(NamedTuple):
    """A region of a worker: `first` is its first page's number, and `states` has a byte a page."""

    kind: str
    name: str
    first: int
    states: bytes

    def region(self, causes: Causes) -> MappedRegion:
        """The region as a map has it; `causes` are known of some of its pages."""
        return MappedRegion(self.kind, self.name, tuple(self._runs(causes)))

    def _runs(self, causes: Causes) -> Iterator[Run]:
        for alike in _ALIKE.finditer(self.states):
            state = _STATES[alike[0][0]]
            if causes and state in (COPIED, FRESH):
                for page in range(self.first + alike.start(), self.first + alike.end()):
                    cause, module = causes.get(page, (state, ""))
                    yield Run(1, FRESH if state == FRESH else cause, module)
            else:
                yield Run(len(alike[0]), state)


def draw(worker: int, twin: int, ready: Collection[int], proc: Path = procfs.PROC) -> list[Stretch]:
    """The regions of a worker, in the order of addresses. OSError where the kernel does not say.

    `ready` has the numbers of the pages that were its own when it was ready. Left out are regions
    of which no page is its own, if it maps a file there, or has none there.
    """
    own, found = sorted(ready), []
    with (
        open(proc / str(worker) / "pagemap", "rb", buffering=0) as mine,
        open(proc / str(twin) / "pagemap", "rb", buffering=0) as theirs,
    ):
        for region in Regions(worker, proc):
            if region.start >= procfs.BEYOND:
                continue
            alone = procfs.alone(mine, region.start, region.end, region.shared)
            is_own = 1 in alone
            here = procfs.there(mine, region.start, region.end)
            if not is_own and not (region.kind in _TAKEN and 1 in here):
                continue
            in_twin = procfs.there(theirs, region.start, region.end) if is_own else b""
            first = region.start // procfs.PAGE
            states = _with_ready(_states(here, alone, in_twin), first, own)
            name = Path(region.name).name if region.name.startswith("/") else ""
            found.append(Stretch(region.kind, name, first, states))
    return found


def _states(here: bytes, alone: bytes, in_twin: bytes) -> bytes:
    """A byte a page, of what three flags say of each."""
    flags = sum(
        bit * int.from_bytes(pages.ljust(len(here), b"\0"), "big")
        for bit, pages in ((_HERE, here), (_OWN, alone), (_IN_TWIN, in_twin))
    )
    return flags.to_bytes(len(here), "big").translate(_OF_FLAGS)


def _with_ready(states: bytes, first: int, own: list[int]) -> bytes:
    """The same, where pages that were the worker's own when it was ready are told as such."""
    marked = bytearray(states)
    for page in own[bisect_left(own, first) : bisect_left(own, first + len(states))]:
        if marked[page - first] in (_COPIED, _FRESH):
            marked[page - first] = _READY
    return bytes(marked)


def memory_map(drawn: Iterable[Stretch], causes: Causes = _UNKNOWN) -> MemoryMap:
    """The map of what was drawn."""
    return MemoryMap.of(procfs.PAGE, [stretch.region(causes) for stretch in drawn])
