"""Map all pages of files, so that from then on a minor page fault is a page made private.

Runs in a traced worker. A fork does not inherit the page tables of file mappings, so a first look
at a library's page is a fault too. Source: madvise(2), MADV_POPULATE_READ, Linux 5.14.
"""

import ctypes

_POPULATE_READ = 22  # asm-generic/mman-common.h
_PR_SET_THP_DISABLE = 41  # linux/prctl.h
# Bytes. A larger mapping is data, and to read it could cost more than the faults that it spares.
_LARGEST = 1 << 29

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def populate(mappings: "list[tuple[int, int]]") -> int:
    """Map every page of `mappings`; returns how many of them failed (all on an older kernel)."""
    refused = 0
    for start, size in mappings:
        refused += _libc.madvise(start, size, _POPULATE_READ) != 0
    return refused


def use_small_pages() -> None:
    """Turn transparent huge pages off for this process and its forks.

    With them, one fault is up to 512 pages.
    """
    _libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)


def file_mappings() -> "list[tuple[int, int]]":
    """(start, bytes) of this process's private, readable file mappings.

    Shared ones are left out, since reading a hole in shared memory would fill it.
    """
    mappings = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, mode, _, _, inode, *path = line.split(None, 5)
            is_file = inode != "0" and path and not path[0].startswith("/dev/")
            if is_file and mode[0] == "r" and mode[3] == "p":
                start, end = (int(word, 16) for word in span.split("-"))
                if end - start <= _LARGEST:
                    mappings.append((start, end - start))
    return mappings
