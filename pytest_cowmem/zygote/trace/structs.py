"""Where CPython keeps the memory of an object that is not in the object itself. Runs in the twin.

Read straight from memory, since asking an object could run its code. Sources: the headers cpython/dictobject.h, cpython/listobject.h,
setobject.h and internal/pycore_dict.h and pycore_object.h of CPython 3.10 to 3.13.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

WORD = 8
GC_HEAD = 16

# Type flags, from Include/object.h
MANAGED_WEAKREF, MANAGED_DICT, HEAP_TYPE, HAVE_GC = 1 << 3, 1 << 4, 1 << 9, 1 << 14
INT, LIST, STR, DICT, TYPE = 1 << 24, 1 << 25, 1 << 28, 1 << 29, 1 << 31

# (value, its id()) -> (address, bytes) of each part, one after the other
Parts = Callable[[Any, int], "tuple[int, ...]"]

_LIST_ITEMS = 24
_DICT_USED, _DICT_KEYS, _DICT_VALUES = 16, 32, 40
_SET_MASK, _SET_TABLE, _SET_SMALL, _SET_ENTRY = 32, 40, 64, 16
_BYTES_ALLOCATED, _BYTES_START = 24, 32
_LARGEST = 1 << 40

_VERSION = sys.version_info[:2]
_SIXTY_FOUR_BITS = sys.maxsize > 1 << 32

_memory: Any = (
    (ctypes.c_uint64 * (1 << 44)).from_address(0) if _SIXTY_FOUR_BITS else None
)  # all of it, by address >> 3
_list_bytes, _dict_bytes = list.__sizeof__, dict.__sizeof__
_list_basic, _dict_basic = list.__basicsize__, dict.__basicsize__


def list_parts(value: Any, number: int) -> "tuple[int, ...]":
    """A list's array of items."""
    return _memory[number + _LIST_ITEMS >> 3], _list_bytes(value) - _list_basic


def dict_parts(value: Any, number: int) -> "tuple[int, ...]":
    """A dictionary's table of keys; where a class's instances share that, it and the dictionary's own array of values."""
    keys, values = _memory[number + _DICT_KEYS >> 3], _memory[number + _DICT_VALUES >> 3]
    if not values:
        return keys, _dict_bytes(value) - _dict_basic
    mine = _values(values) if _VERSION > (3, 10) else (values, _dict_bytes(value) - _dict_basic)
    return keys, _key_table_bytes(keys), *mine


def set_parts(_value: Any, number: int) -> "tuple[int, ...]":
    """A set's table, unless it is the small one inside the object."""
    table = _memory[number + _SET_TABLE >> 3]
    return (
        ()
        if table == number + _SET_SMALL
        else (table, (_memory[number + _SET_MASK >> 3] + 1) * _SET_ENTRY)
    )


def bytearray_parts(_value: Any, number: int) -> "tuple[int, ...]":
    """A bytearray's buffer."""
    return _memory[number + _BYTES_START >> 3] & -WORD, _memory[number + _BYTES_ALLOCATED >> 3]


def instance_parts(_value: Any, number: int) -> "tuple[int, ...]":
    """An instance's array of attributes, which stands in for its dictionary on 3.11 and 3.12; on 3.13 it lies in the object."""
    if _VERSION == (3, 11):
        values = _memory[number - 4 * WORD >> 3]
        return _values(values) if values else ()
    tagged = _memory[number - 3 * WORD >> 3]
    return _values(tagged + 1) if tagged & 1 else ()


def _values(start: int) -> "tuple[int, ...]":
    """The block of an array of values; nothing for one inside its object.

    3.13 puts the capacity before it. 3.11 and 3.12 put a prefix there, whose length is the byte before the array: the array's own length
    is not kept, and is at most two less than that.
    """
    if start % WORD:
        return ()
    if _VERSION >= (3, 13):
        capacity, inside = _memory[start >> 3] & 255, _memory[start >> 3] >> 16 & 255
        return () if inside else (start, (capacity + 1) * WORD + (capacity + 7) // WORD * WORD)
    prefix = _memory[start - WORD >> 3] >> 56
    return (start - prefix, prefix + (prefix - 2) * WORD) if prefix and prefix % WORD == 0 else ()


def _key_table_bytes(keys: int) -> int:
    sizes: int = _memory[keys + WORD >> 3]
    if _VERSION == (3, 10):  # refcount, size, lookup function, usable, entries used
        width = 1 if sizes <= 0xFF else 2 if sizes <= 0xFFFF else 4
        return 40 + sizes * width + _usable(sizes) * 24
    size, index_bytes, kind = 1 << (sizes & 255), 1 << (sizes >> 8 & 255), sizes >> 16 & 255
    return 32 + index_bytes + _usable(size) * (16 if kind else 24)


def _usable(size: int) -> int:
    return size * 2 // 3


def sane(start: int, size: int) -> bool:
    """Whether a part can be one: what is not is left out."""
    return not start & 7 and 4096 < start < 1 << 47 and 0 < size < _LARGEST


def known() -> bool:
    """Whether this interpreter's objects are laid out as this file thinks: tried out on a few."""
    if (
        not _SIXTY_FOUR_BITS
        or sys.implementation.name != "cpython"
        or not (3, 10) <= _VERSION <= (3, 13)
    ):
        return False
    if "t" in sys.abiflags:  # without the GIL, objects are laid out otherwise
        return False
    row, table, group = [[None], [None]], {"one": 1, "two": 2}, set(range(100))
    parts = [*list_parts(row, id(row)), *dict_parts(table, id(table)), *set_parts(group, id(group))]
    if not all(sane(*parts[first : first + 2]) for first in (0, 2, 4)):
        return False
    return bool(
        _memory[parts[0] >> 3] == id(row[0])
        and _memory[id(table) + _DICT_USED >> 3] == len(table)
        and _key_table_bytes(parts[2]) == parts[3]
        and parts[5] == set.__sizeof__(group) - set.__basicsize__
    )
