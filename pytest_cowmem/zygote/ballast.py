"""Keep some memory before the app is imported, so that its objects lie elsewhere. In the zygote.

A seed gives a layout. What is kept is never used, and the collector does not look at it: it stays
shared, and no worker pays for it.
"""

import gc
import sys
from collections.abc import Iterator

_POOL = 16 * 1024  # pymalloc's since CPython 3.10 (Include/internal/pycore_obmalloc.h)
_STEP, _MOST = 16, 512  # its size classes; what is larger comes from malloc
_BYTES_OBJECT = 33  # sys.getsizeof(b"")

# The interpreter's table of interned strings is allocated anew when it is full, 940 KiB at once for
# some 30,000 names, and by whoever interns the last free one. A few names more or less in the app
# decide whether that is a worker, so their number differs between layouts, by as many names as a
# request and its late imports may intern.
_MOST_NAMES = 2048

# When a collection comes decides which holes an import leaves, where workers allocate: some more
# containers in a module moved Django's admin by up to 135 pages. After as many younger collections
# the next generation is collected (gc.get_threshold()), so these are counted differently. Of seeds
# in a row, each has another phase.
_COLLECTIONS = 10
_PHASES = 5

_kept: "list[object]" = []


def keep(seed: int) -> int:
    """Keep less than a pool of objects of each size class, a larger block, and interned names.

    The collector's counts are moved too. Returns the bytes in all. Seed 0 does nothing.
    """
    if not seed:
        return 0
    numbers = _numbers(seed)
    total = 0
    for size in range(_STEP, _MOST + 1, _STEP):
        count = next(numbers) % (_POOL // size)
        _kept.extend([_of_size(size, index) for index in range(count)])
        total += size * count
    larger = _MOST + 1 + next(numbers) % _POOL
    _kept.append(bytes(larger))
    names = [sys.intern(f"ballast {number}") for number in range(next(numbers) % _MOST_NAMES)]
    _kept.extend(names)
    total += larger + sum(-(-sys.getsizeof(name) // _STEP) * _STEP for name in names)
    shift_phase(seed % _PHASES * _COLLECTIONS // _PHASES, next(numbers) % _COLLECTIONS)
    return total + sys.getsizeof(_kept)


def shift_phase(youngest: int, middle: int) -> None:
    """Have the collector count as many collections of its two younger generations."""
    for _ in range(middle):
        gc.collect(1)
    for _ in range(youngest):
        gc.collect(0)


def _of_size(size: int, index: int) -> object:
    """An object that takes `size` bytes, which the collector does not track."""
    if size == _STEP:
        return object()
    if size == 2 * _STEP:
        return (1 << 40) + index  # an int of two digits of 30 bits
    return bytes(size - _BYTES_OBJECT)


def _numbers(seed: int) -> "Iterator[int]":
    """Numbers that differ widely between seeds (Knuth's MMIX generator, its high bits)."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 40
