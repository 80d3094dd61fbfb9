"""Make every start alike, whatever environment and root folder it has. Runs in the zygote.

What a zygote allocates before the app depends on both. The app's objects would then lie on other
pages, and private memory would move with them. So the zygote is executed with few variables, and
gets the rest by message. Then it leaves nothing behind that shows in where the app's objects will
lie. docs/explanation/accuracy.md has what each step is worth.
"""

import ctypes
import gc
import mmap
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from itertools import repeat, starmap

# What is read before the zygote's own code runs: by the loader, by libc or an allocator in its
# place, by the interpreter, and by coverage, which starts with it.
_READ_AT_EXEC = ("HOME", "LANG", "LOCPATH", "TZ")
_PREFIXES_READ_AT_EXEC = (
    "PYTHON",
    "LC_",
    "LD_",
    "GLIBC_",
    "MALLOC_",
    "MIMALLOC_",
    "TCMALLOC_",
    "COVERAGE_",
    "COV_CORE_",
)

# What is called alike and read by no interpreter: of makefiles, and of the official Docker images.
# `make PYTHON=...` moved a Flask test by 27 to 56 KiB.
_NOT_PYTHONS = ("PYTHON", "PYTHON_VERSION", "PYTHON_SHA256")

_POOL = 16 * 1024  # pymalloc's since CPython 3.10 (Include/internal/pycore_obmalloc.h)
_POOL_HEADER = 48
_STEP, _MOST = 16, 512  # its size classes; what is larger comes from malloc
_BYTES_OBJECT = 33  # sys.getsizeof(b"")
_REFERENCE = 8  # what a deque takes for each of its items, some links aside
# Pools in a row that only a new arena has. One of 1 MiB has 63 or 64.
_RUN = 60
_LIMIT = 4 * 2**20  # bytes that are tried
_LEFT = 16  # holes of a size class that filling itself may leave

_CHUNK = 2**16  # less than what malloc would map on its own
_HEADER, _OVERHEAD, _LEAST = 16, 8, 32  # glibc's, in bytes on 64 bits (malloc/malloc.c)
# Each takes what is left of the free chunks that are as large. Those of at most 1032 bytes are kept
# by exact size.
_SIZES = (*(_CHUNK // 2**n - _OVERHEAD for n in range(6)), *range(1032, 0, -16))

# Filled by C alone: a list's growth, or an object that Python's own code drops, leaves a hole.
# A deque's blocks are too long for pymalloc.
_kept: "deque[object]" = deque()
_swept: "deque[object]" = deque()

_libc, _python = ctypes.CDLL(None), ctypes.pythonapi
try:
    _trim, _malloc, _sbrk = _libc.malloc_trim, _libc.malloc, _libc.sbrk
except AttributeError:  # not glibc
    _has_glibc = False
else:
    _has_glibc = True
    _malloc.argtypes, _malloc.restype = (ctypes.c_size_t,), ctypes.c_size_t
    _sbrk.argtypes, _sbrk.restype = (ctypes.c_ssize_t,), ctypes.c_size_t


def read_at_exec(name: str) -> bool:
    """Whether a variable has to be there when the zygote is executed."""
    if name in _NOT_PYTHONS:
        return False
    return name in _READ_AT_EXEC or name.startswith(_PREFIXES_READ_AT_EXEC)


def take_environment(names: "Sequence[bytes]", values: "Sequence[bytes]") -> None:
    """Have these variables in `os.environ`, in this order, and for C's getenv(3).

    What the interpreter set itself stays: a LC_CTYPE (PEP 538). There is no loop of Python's, which
    CPython 3.11 would specialise by the number of variables.
    """
    data: "dict[bytes, bytes]" = os.environ._data  # type: ignore[attr-defined]
    before = data.copy()
    data.clear()
    data.update(zip(names, values, strict=True))
    data.update(before)
    any(map(os.putenv, data.keys(), data.values()))


def take_path(path: "Sequence[str]") -> None:
    """Put folders first on `sys.path`, and have the import system list all that is on it.

    It keeps the listings. Those of the app's folders come last, since what is allocated after a
    listing lies elsewhere when there is a file more.
    """
    sys.path[:0] = [folder for folder in path if folder not in sys.path]
    for folder in sys.path:
        PathFinder._path_importer_cache(folder)  # type: ignore[attr-defined]
    for folder in reversed(sys.path):
        PathFinder.find_spec("no module has this name", [folder])


def settle() -> int:
    """Have the next objects lie where they do in every start; bytes that are kept for it.

    Where something is not as in CPython on glibc, a step may do nothing.
    """
    # What is dropped later leaves a hole then. A full collection empties the interpreter's free
    # lists, so that the master's own leaves none. The cache of attributes keeps names alive.
    # Without the first private pages varied by 6 on 3.15, without the second on 3.14 too.
    gc.collect()
    _python.PyType_ClearCache()
    fill_pools()
    kept = sum(map(sys.getsizeof, _kept), _REFERENCE * len(_kept))
    if _has_glibc:
        fill_heap()
    sweep()
    return kept


def fill_pools() -> None:
    """Have the next object of each of pymalloc's size classes lie in a pool that was never used.

    A pool that was used has its free places in the order in which they became free. Once an arena's
    pools came one behind the other, none is left that was used.
    """
    first = _take_an_arena()
    if not first:
        _kept.clear()
        return
    pool = first
    for size in range(_MOST, 0, -_STEP):
        pool = _fill_class(size, pool, first + _RUN)


def _take_an_arena() -> int:
    """Take pools until they are a new arena's; the next one's number, 0 without pymalloc."""
    run = pool = 0
    for _ in range(_LIMIT // _POOL):
        _kept.extend(_objects(_MOST, _POOL // _MOST - 1))
        address = id(_kept[-1])
        if address % _MOST != _POOL_HEADER:
            break  # another allocator's
        before, pool = pool, address // _POOL
        if pool == before + 1:
            run += 1
        elif run > _RUN:
            return pool
        else:
            run = 0
    return 0


def _fill_class(size: int, last: int, end: int) -> int:
    """Fill a size class's holes, until an object of it lies between two pools; its pool's number.

    Pools up to `last` are used, and those before `end` are of the same arena.
    """
    for _ in range(_LIMIT // size):
        _kept.extend(_objects(size, 1))
        pool = id(_kept[-1]) // _POOL
        if last < pool < end:
            return pool
    return last


def _objects(size: int, count: int) -> "Iterator[object]":
    """Make objects of a size class, which the collector does not track, and no others."""
    if size == _STEP:
        return starmap(object, repeat((), count))
    if size == 2 * _STEP:
        return starmap(complex, repeat((), count))
    return map(bytes, repeat(size - _BYTES_OBJECT, count))


def fill_heap() -> None:
    """Have malloc's next chunk lie at the heap's top, where a page begins.

    malloc_trim(3) leaves less than a page there, so that the heap grows at the same chunk too.
    """
    _trim(0)
    top = _sbrk(0) - 2 * mmap.PAGESIZE
    for size in _SIZES:
        # The first chunk is too long for a hole in the last two pages.
        address = _take_free_chunks(size, top)
        if not top <= address < _sbrk(0):
            return  # another allocator's, or mapped on its own
        top = address
    top += _LEAST - _HEADER
    _malloc((-top - _LEAST) % mmap.PAGESIZE + _LEAST - _OVERHEAD)
    _trim(0)


def _take_free_chunks(size: int, top: int) -> int:
    """Take chunks until one is not below `top`; its address, 0 for too many."""
    for _ in range(_LIMIT // size):
        if (address := _malloc(size)) >= top:
            return int(address)
    return 0


def sweep() -> None:
    """Fill the few holes that filling has left: of loops, numbers and frames.

    All it takes is made before the first hole is filled, and kept.
    """
    sweeps = [_objects(size, _LEFT) for size in range(_MOST, 0, -_STEP)]
    sweeping = map(_swept.extend, sweeps)
    _swept.extend((sweeps, sweeping))
    any(sweeping)
