"""Read where CPython keeps the parts of an object that lie outside the object itself.

Asking an object could run its code, so memory is read by the offsets of C structs. `selfcheck`
tries the offsets before they are used. Runs in the twin and, once its pages are counted, in the
traced worker. Sources: the headers cpython/dictobject.h, cpython/listobject.h,
cpython/bytearrayobject.h, setobject.h, internal/pycore_dict.h and internal/pycore_object.h of
CPython 3.11 to 3.15.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

WORD = 8
GC_HEAD = 16

# Type flags, from Include/object.h
INLINE_VALUES, MANAGED_WEAKREF, MANAGED_DICT = 1 << 2, 1 << 3, 1 << 4
HEAP_TYPE, HAVE_GC = 1 << 9, 1 << 14
INT, LIST, STR, DICT, TYPE = 1 << 24, 1 << 25, 1 << 28, 1 << 29, 1 << 31

# (value, its id()) -> (address, bytes) of each part, one after the other
PartsReader = Callable[[Any, int], "tuple[int, ...]"]

LIST_ITEMS = 24
DICT_KEYS, DICT_VALUES = 32, 40
KEYS_SIZES, KEYS_INDICES, TEXT_ENTRY, ENTRY = 8, 32, 16, 24
SET_MASK, SET_TABLE, SET_SMALL, SET_ENTRY = 32, 40, 64, 16
BYTEARRAY_ALLOCATED, BYTEARRAY_BUFFER = 24, 32
# Of the bytes object that holds a bytearray's buffer since 3.15. One byte comes after the buffer.
BYTES_HEAD = 32
INSTANCE_VALUES = -32 if sys.version_info < (3, 12) else -24  # until 3.12, before the instance
_LARGEST = 1 << 40
_FIRST_PAGE = 4096
_USER_SPACE = 1 << 48  # on arm64; half of it on x86-64 (Documentation/arch of Linux, memory layout)

_VERSION = sys.version_info[:2]
VALUES_HAVE_CAPACITY = _VERSION >= (3, 13)

list_bytes, dict_bytes = list.__sizeof__, dict.__sizeof__
list_basic, dict_basic = list.__basicsize__, dict.__basicsize__
basic_size = type.__dict__["__basicsize__"].__get__


def supported() -> bool:
    """Whether the offsets here are for this interpreter. Free-threaded builds have others."""
    return (
        sys.implementation.name == "cpython"
        and (3, 11) <= _VERSION <= (3, 15)
        and sys.maxsize > 1 << 32
        and "t" not in sys.abiflags
    )


def all_memory() -> Any:
    """The memory of this process as 8-byte words; a word's index is its address >> 3."""
    return (ctypes.c_uint64 * (_USER_SPACE // WORD)).from_address(0)


def kind_of(cls: type, flags: int) -> "str | None":
    """The kind of parts that instances of a class have, which is a key of `Reader.by_kind`."""
    if flags & DICT:
        return "dict"
    if flags & LIST:
        return "list"
    if cls is set or cls is frozenset:
        return "set"
    if cls is bytearray:
        return "bytearray"
    if flags & (INLINE_VALUES if VALUES_HAVE_CAPACITY else MANAGED_DICT):
        return "instance"
    return None


class Reader:
    """Reads where the parts of an object lie.

    `memory` gives the 8-byte word at an index, which is the word's address >> 3.
    """

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        instance = self.inline_values if VALUES_HAVE_CAPACITY else self.instance_values
        self.by_kind: dict[str, PartsReader] = {
            "list": self.list_items,
            "dict": self.dict_tables,
            "set": self.set_table,
            "bytearray": self.bytearray_buffer,
            "instance": instance,
        }

    def list_items(self, value: Any, number: int) -> "tuple[int, ...]":
        """A list's array of items."""
        return self._memory[number + LIST_ITEMS >> 3], list_bytes(value) - list_basic

    def dict_tables(self, value: Any, number: int) -> "tuple[int, ...]":
        """A dictionary's table of keys, which has the values too.

        Where a class's instances share that table, an array of values is the dictionary's own.
        """
        keys = self._memory[number + DICT_KEYS >> 3]
        values = self._memory[number + DICT_VALUES >> 3]
        if not values:
            return keys, dict_bytes(value) - dict_basic
        return keys, self.key_table_bytes(keys), *self._values(values)

    def set_table(self, _value: Any, number: int) -> "tuple[int, ...]":
        """A set's table, unless it is the small one inside the object."""
        table = self._memory[number + SET_TABLE >> 3]
        if table == number + SET_SMALL:
            return ()
        return table, (self._memory[number + SET_MASK >> 3] + 1) * SET_ENTRY

    def bytearray_buffer(self, _value: Any, number: int) -> "tuple[int, ...]":
        """A bytearray's buffer. Since 3.15 it is a bytes object, which all empty ones share."""
        buffer = self._memory[number + BYTEARRAY_BUFFER >> 3]
        allocated = self._memory[number + BYTEARRAY_ALLOCATED >> 3]
        if not allocated:
            return ()
        if _VERSION < (3, 15):
            return buffer, allocated
        return buffer - BYTES_HEAD, BYTES_HEAD + allocated + 1

    def instance_values(self, _value: Any, number: int) -> "tuple[int, ...]":
        """An instance's array of attributes on 3.11 and 3.12, which stands in for its dictionary.

        On 3.12 the same word points to the array or to the dictionary. An odd word is one less
        than the address of the array.
        """
        pointer = self._memory[number + INSTANCE_VALUES >> 3]
        if _VERSION > (3, 11):
            pointer = pointer + 1 if pointer & 1 else 0
        return self._values(pointer) if pointer else ()

    def inline_values(self, value: Any, number: int) -> "tuple[int, ...]":
        """An instance's array of attributes since 3.13.

        It follows the instance, whose own size leaves it out.
        """
        start = number + basic_size(type(value))
        return start, self._counted_values_bytes(start)

    def _values(self, start: int) -> "tuple[int, ...]":
        """The block of an array of values; nothing for one that follows its instance.

        3.11 and 3.12 put a prefix before the array. The byte before the array is the prefix's
        length. The array's own length is not kept; it is at most two less than the prefix's.
        """
        if start % WORD:
            return ()
        if VALUES_HAVE_CAPACITY:
            follows_instance = self._memory[start >> 3] >> 16 & 255
            return () if follows_instance else (start, self._counted_values_bytes(start))
        prefix = self._memory[start - WORD >> 3] >> 56
        if not prefix or prefix % WORD:
            return ()
        return start - prefix, prefix + (prefix - 2) * WORD

    def _counted_values_bytes(self, start: int) -> int:
        """The bytes of an array of values since 3.13.

        A word has the capacity; then come the values, and a byte for each that keeps their order.
        """
        capacity: int = self._memory[start >> 3] & 255
        return WORD + capacity * WORD + (capacity + WORD - 1) // WORD * WORD

    def key_table_bytes(self, keys: int) -> int:
        """The bytes of a table of keys: its head, its indices and its entries.

        There are two entries for three indices.
        """
        sizes: int = self._memory[keys + KEYS_SIZES >> 3]
        indices, index_bytes = 1 << (sizes & 255), 1 << (sizes >> 8 & 255)
        only_text = sizes >> 16 & 255
        entries = indices * 2 // 3
        return KEYS_INDICES + index_bytes + entries * (TEXT_ENTRY if only_text else ENTRY)


def is_plausible(start: int, size: int) -> bool:
    """Whether a part can lie there; one that cannot is left out."""
    return start % WORD == 0 and _FIRST_PAGE <= start < _USER_SPACE and 0 < size < _LARGEST
