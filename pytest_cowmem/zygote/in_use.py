"""Tell how many bytes are in use, by the allocators' own books. Runs in a growth round's worker.

pymalloc, the interpreter's allocator, has the blocks of up to 512 bytes, and libc has the rest.
Both have caches, and so has the interpreter. They are emptied or filled before each reading, so
that the next one finds them the same.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

_STDERR = 2
_REHEARSALS = 3
_PROBE_BYTES = 1 << 20
# Freed chunks that glibc keeps for each thread count as in use (malloc/malloc.c, tcache): as many
# of each size, 7 in glibc 2.36 and 16 in 2.43. A chunk has 8 bytes more than was asked for.
_CACHED_SIZES = range(24, 1033, 16)
_CACHED_CHUNKS = 16
_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo(ctypes.Structure):
    """`struct mallinfo2`: mallinfo(3), glibc 2.33 and later."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS.split())


class Pymalloc:
    """The interpreter's allocator."""

    def __init__(self) -> None:
        self._table = os.memfd_create("pytest-cowmem-pymalloc")

    def in_use(self) -> "int | None":
        """Bytes of blocks in use; None where the interpreter uses another allocator.

        CPython prints the table "class, size, pools, blocks in use, blocks left" to standard error
        (Objects/obmalloc.c, _PyObject_DebugMallocStats).
        """
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # the app has closed it
            stderr = None
        os.dup2(self._table, _STDERR)
        try:
            sys._debugmallocstats()
        finally:
            if stderr is None:
                os.close(_STDERR)
            else:
                os.dup2(stderr, _STDERR)
                os.close(stderr)
        text = os.pread(self._table, os.lseek(self._table, 0, os.SEEK_CUR), 0)
        os.lseek(self._table, 0, os.SEEK_SET)
        in_use = 0
        for line in text.splitlines():
            row = line.split()
            if len(row) == 5 and all(map(bytes.isdigit, row)):
                in_use += int(row[1]) * int(row[3])
        return in_use or None


class Libc:
    """libc's allocator, where it has the counter, and no library has taken its place."""

    def __init__(self) -> None:
        self._libc = libc = ctypes.CDLL(None)
        libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
        libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
        self._chunks = (ctypes.c_void_p * _CACHED_CHUNKS)()
        self._tells = hasattr(libc, "mallinfo2")
        if self._tells:
            libc.mallinfo2.argtypes, libc.mallinfo2.restype = [], _Mallinfo
            before = self._count()
            probe = bytearray(_PROBE_BYTES)
            self._tells = self._count() - before >= len(probe)

    def in_use(self) -> "int | None":
        """Bytes in use, with the thread's cache full; None where libc does not tell."""
        if not self._tells:
            return None
        self._fill_cache()
        return self._count()

    def _count(self) -> int:
        info = self._libc.mallinfo2()
        in_use: int = info.uordblks + info.hblkhd
        return in_use

    def _fill_cache(self) -> None:
        malloc, free, chunks = self._libc.malloc, self._libc.free, self._chunks
        for size in _CACHED_SIZES:
            for index in range(_CACHED_CHUNKS):
                chunks[index] = malloc(size)
            for index in range(_CACHED_CHUNKS):
                free(chunks[index])


class Counters:
    """Both allocators, and what comes before they are read."""

    def __init__(self) -> None:
        # The cache of types' attributes holds the names: with names that are made at run time, such
        # as in getattr(self, "do_" + method), it fills over hundreds of requests.
        self._clear_cache: Callable[[], Any] = getattr(
            sys,
            "_clear_internal_caches",
            None,  # since 3.13
        ) or getattr(sys, "_clear_type_cache")  # noqa: B009
        self._pymalloc, self._libc = Pymalloc(), Libc()
        gc.freeze()  # what was preloaded is not walked for each reading
        for _ in range(_REHEARSALS):
            self.read()

    def read(self) -> "tuple[int | None, int | None]":
        """Bytes in use after a collection, of pymalloc and of libc; reading keeps nothing."""
        gc.collect()
        self._clear_cache()
        return self._pymalloc.in_use(), self._libc.in_use()


_counters: "Counters | None" = None


def read() -> "tuple[int | None, int | None]":
    """Bytes in use of pymalloc and of libc, None of one that does not tell.

    The first call prepares for it: what it takes itself is over when it returns.
    """
    global _counters
    if _counters is None:
        _counters = Counters()
    return _counters.read()
