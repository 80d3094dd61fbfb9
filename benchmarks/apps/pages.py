"""An app whose functions write to an exact number of pages.

The pages are of memory that the master filled, or of new memory.
"""

import ctypes
import mmap

PAGE = mmap.PAGESIZE
MOST = 51200
FILLED_C = mmap.mmap(-1, MOST * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
FILLED_C.write(b"m" * (MOST * PAGE))
FILLED_PYTHON = bytearray(b"m" * (MOST * PAGE + 2 * PAGE))
KEPT: list[object] = []


def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]


def rewrite_c(pages):
    """Run memset(3) over the first pages of what the master filled."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(FILLED_C))
    ctypes.memset(address, 1, pages * PAGE)


def rewrite_python(pages):
    """Write one byte a page, by Python's own assignment, from a page's start."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(FILLED_PYTHON))
    first = -address % PAGE
    for page in range(pages):
        FILLED_PYTHON[first + page * PAGE] = 1


def allocate_c(pages):
    """Keep a new private mapping, filled by memset(3)."""
    fresh = mmap.mmap(-1, max(pages, 1) * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(fresh)), 1, pages * PAGE)
    KEPT.append(fresh)


def allocate_python(pages):
    """Keep a new bytearray, written to once a page."""
    fresh = bytearray(pages * PAGE)
    for page in range(pages):
        fresh[page * PAGE] = 1
    KEPT.append(fresh)
