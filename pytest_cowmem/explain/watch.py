"""Whose each private page of a traced worker is. Runs in a thread of the pytest process.

The worker names the row of its log that it has just charged, and waits. Pages that have become its
own since the row before are that row's, and what it has given back is nobody's any more. So the
rows' pages at the end are the private ones, however often memory came and went.

A row takes no more pages than it has faults. Where as many have gone, those beyond have moved: a
large list or buffer that grows is moved without a fault (mremap), and its pages stay whose they
were. All others beyond are the tracer's own, or those of another thread, which has faulted and not
yet named its row: they are left for the rows of other threads, of which some may come first.

A look at all that a worker has takes a millisecond and more. The faults of most rows are near the
last ones, so these blocks are looked at first. All others wait for a row whose faults are not all
found there, or until the worker's address space has grown or shrunk. Memory that is given back
within it (madvise) and taken again by another row may stay the first row's.
"""

import socket
import threading
from collections import defaultdict
from collections.abc import Iterable
from io import FileIO

from pytest_cowmem.host.procfs import PAGE, PROC, address_space, alone, ranges, there

_WORD = 8  # bytes; the worker tells three: a row's number, its faults, and its thread
_BLOCK = 512  # pages
_RECENT = 8  # blocks that are looked at first

Part = tuple[int, int, bool]  # (start, end, whether shared for writing), as `ranges` gives them


class Watch:
    """`rows` has the row of each page that became the worker's own since `begin`, by its number.

    It is complete whenever the worker waits for something else. `failed` says why it is not.
    """

    def __init__(self, worker: int, near: socket.socket) -> None:
        self.rows: dict[int, int] = {}
        self.failed: OSError | None = None
        self._worker = worker
        self._near = near
        self._parts: dict[int, list[Part]] = {}  # of each block
        self._own: dict[int, bytes] = {}  # a byte a page of each block: 1 where it is its own
        self._recent: list[int] = []  # blocks, the last that changed first
        self._size = 0
        self._come: set[int] = set()  # since the last row
        self._gone: dict[int, int] = {}  # the rows of pages that were given back since
        self._left: dict[int, set[int]] = {}  # what rows left, by their threads
        self._thread = threading.Thread(target=self._watch, name="cowmem watch", daemon=True)

    def begin(self) -> None:
        """Take the pages that the worker has for itself now for nobody's."""
        self._pagemap = FileIO(PROC / str(self._worker) / "pagemap")
        self._look_everywhere()
        self._come.clear()
        self._gone.clear()
        self._thread.start()

    def end(self) -> None:
        """Look no more. A worker that is alive goes on without telling."""
        self._near.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join()
            self._pagemap.close()
        self._near.close()

    def _watch(self) -> None:
        try:
            while told := self._near.recv(3 * _WORD):
                self.look(*memoryview(told).cast("Q"))
                self._near.send(b"\0")
        except OSError as error:  # the worker is gone, or its pages may not be read
            self.failed = error
        finally:
            self._near.shutdown(socket.SHUT_RDWR)

    def look(self, row: int, faults: int, thread: int) -> None:
        """Give up to `faults` of the pages that have come to `row`, which is of that thread."""
        self._look(faults)
        others = [left for by, left in self._left.items() if by != thread]
        for pages in (self._come, *others):
            for _ in range(min(faults, len(pages))):
                self.rows[pages.pop()] = row
                faults -= 1
        for page, gone in zip(sorted(self._come), sorted(self._gone), strict=False):
            self._come.remove(page)
            self.rows[page] = self._gone[gone]
        self._gone.clear()
        if self._come:
            self._left.setdefault(thread, set()).update(self._come)
            self._come.clear()

    def _look(self, wanted: int) -> None:
        """Note what has changed, everywhere unless as many pages as `wanted` have come nearby."""
        size = address_space(self._worker)
        if size == self._size:
            for block in self._recent[:_RECENT]:
                self._compare(block)
                if len(self._come) >= wanted:
                    return
        self._size = size
        self._look_everywhere()

    def _look_everywhere(self) -> None:
        self._parts = blocks(ranges(self._worker))
        for block in {*self._own, *self._parts}:
            self._compare(block)

    def _compare(self, block: int) -> None:
        """Note what has changed in a block."""
        before = self._own.get(block, bytes(_BLOCK))
        now = self._flags(block)
        gone = int.from_bytes(before, "big") & ~int.from_bytes(now, "big")
        if gone and (shared := gone & self._there(block)):
            now = (int.from_bytes(now, "big") | shared).to_bytes(_BLOCK, "big")
        if now == before:
            return
        self._own[block] = now
        if block in self._recent:
            self._recent.remove(block)
        self._recent.insert(0, block)
        for page in _pages(block, before, now):
            if page in self.rows:
                self._gone[page] = self.rows.pop(page)
            for left in self._left.values():
                left.discard(page)
        self._come.update(_pages(block, now, before))

    def _flags(self, block: int) -> bytes:
        flags = bytearray(_BLOCK)
        for start, end, shared in self._parts.get(block, ()):
            own = alone(self._pagemap, start, end, shared)
            first = start // PAGE % _BLOCK
            flags[first : first + len(own)] = own
        return bytes(flags)

    def _there(self, block: int) -> int:
        """The flags of pages that are there, as a number: forks of the worker may share them."""
        flags = bytearray(_BLOCK)
        for start, end, _ in self._parts.get(block, ()):
            present = there(self._pagemap, start, end)
            first = start // PAGE % _BLOCK
            flags[first : first + len(present)] = present
        return int.from_bytes(flags, "big")


def blocks(mapped: Iterable[Part]) -> dict[int, list[Part]]:
    """What address ranges have in each block, by the block's number."""
    parts = defaultdict(list)
    size = _BLOCK * PAGE
    for start, end, shared in mapped:
        for block in range(start // size, (end - 1) // size + 1):
            part = max(start, block * size), min(end, (block + 1) * size), shared
            parts[block].append(part)
    return parts


def _pages(block: int, flags: bytes, others: bytes) -> list[int]:
    """The numbers of a block's pages that `flags` has, and `others` has not."""
    present, absent = (int.from_bytes(some, "big") for some in (flags, others))
    left = (present & ~absent).to_bytes(_BLOCK, "big")
    found, at = [], left.find(1)
    while at >= 0:
        found.append(block * _BLOCK + at)
        at = left.find(1, at + 1)
    return found
