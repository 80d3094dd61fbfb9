"""Try the offsets of `structs` on objects made here, whose parts are known by other means.

Memory is read through /proc/self/mem, so that a wrong address is an error and not the end of the
process. Runs in the twin and, once its pages are counted, in the traced worker.
"""

import ctypes
import os
import sys
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from pytest_cowmem.zygote.trace import structs
from pytest_cowmem.zygote.trace.structs import WORD, PartsReader, Reader

_LARGEST = 1 << 20  # bytes, more than any part of the objects made here has


class ProbedMemory:
    """The memory of this process, read word by word; OSError where there is none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __getitem__(self, index: int) -> int:
        """The 8-byte word at the address index << 3."""
        return self.words(index * WORD, WORD)[0]

    def words(self, start: int, size: int) -> "array[int]":
        """All whole words of the `size` bytes at `start`."""
        return array("Q", self.read(start, size // WORD * WORD))

    def read(self, start: int, size: int) -> bytes:
        """The `size` bytes at `start`."""
        if not 0 < size < _LARGEST:
            raise OSError(f"no part of an object made here has {size} bytes")
        read = os.pread(self._fd, size, start)
        if len(read) < size:
            raise OSError(f"no memory at {start:#x}")
        return read


def checked_readers() -> "dict[str, PartsReader]":
    """How to read each kind of parts, by `structs.kind_of`.

    A kind is left out where this interpreter keeps it otherwise than `structs` says.
    """
    if not structs.supported():
        return {}
    readers = Reader(structs.all_memory()).by_kind
    fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        memory = ProbedMemory(fd)
        probing = Reader(memory)
        return {kind: readers[kind] for kind in readers if _passes(_CHECKS[kind], probing, memory)}
    finally:
        os.close(fd)


def _passes(check: "Check", reader: Reader, memory: ProbedMemory) -> bool:
    try:
        return check(reader, memory)
    except (OSError, OverflowError, ValueError, IndexError):  # a wrong address or number of parts
        return False


def _list_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    row = [object(), object(), object()]
    start, size = reader.list_items(row, id(row))
    return size == len(row) * WORD and _ids(row) == list(memory.words(start, size))


def _dict_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    by_text: dict[Any, Any] = {"first": object(), "second": object()}
    by_object: dict[Any, Any] = {object(): object(), object(): object()}
    large: dict[Any, Any] = {str(number): object() for number in range(1_000)}
    return (
        _own_table_is_read(by_text, 2, reader, memory)
        and _own_table_is_read(by_object, 3, reader, memory)
        and _own_table_is_read(large, 2, reader, memory)
        and _shared_table_is_read(reader, memory)
    )


def _own_table_is_read(
    table: "dict[Any, Any]", entry_words: int, reader: Reader, memory: ProbedMemory
) -> bool:
    """Whether the table read has entries of `entry_words` words that end in key and value."""
    start, size = reader.dict_tables(table, id(table))
    if reader.key_table_bytes(start) != size:  # from memory; as Python says
        return False
    words = list(memory.words(start, size))
    first_key = words.index(id(next(iter(table))))
    end = first_key + len(table) * entry_words
    keys, values = words[first_key:end:entry_words], words[first_key + 1 : end : entry_words]
    return keys == _ids(table) and values == _ids(table.values())


def _shared_table_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    """Whether the dictionary of an instance is read that is gone, so that its values lie alone."""
    cls, instance, values = _made_instance()
    space = vars(instance)
    del instance
    keys, key_bytes, start, size = reader.dict_tables(space, id(space))
    return (
        key_bytes == type.__sizeof__(cls) - structs.basic_size(type)
        and _contains(memory.words(keys, key_bytes), _ids(space)[:1])
        and _values_are_read(space, values, start, size, memory)
    )


def _instance_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    _, instance, values = _made_instance()
    start, size = reader.by_kind["instance"](instance, id(instance))
    return _values_are_read(vars(instance), values, start, size, memory)


def _made_instance() -> "tuple[type, Any, list[object]]":
    """A class, its only instance, and the values of two attributes."""
    cls = type("Probe", (), {})
    instance, values = cls(), [object(), object()]
    instance.first, instance.second = values
    return cls, instance, values


def _values_are_read(
    space: "dict[str, Any]", values: "list[object]", start: int, size: int, memory: ProbedMemory
) -> bool:
    """Whether a block has the values, and the size that follows from `space`.

    `space` is the dictionary of a class's only instance: another would change its size.
    """
    capacity = (structs.dict_bytes(space) - structs.dict_basic) // WORD
    if structs.VALUES_HAVE_CAPACITY:
        expected = WORD + capacity * WORD + _whole_words(capacity)
    else:
        prefix = _whole_words(capacity + 2)
        expected = prefix + (prefix - 2) * WORD
    return size == expected and _contains(memory.words(start, size), _ids(values))


def _whole_words(size: int) -> int:
    return (size + WORD - 1) // WORD * WORD


def _set_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    small, large = {object()}, {object() for _ in range(100)}
    inside = memory.words(id(small) + structs.SET_SMALL, structs.SET_ENTRY * 8)
    start, size = reader.set_table(large, id(large))
    return (
        reader.set_table(small, id(small)) == ()
        and set(_ids(small)) <= set(inside)
        and size == set.__sizeof__(large) - structs.basic_size(set)
        and set(_ids(large)) <= set(memory.words(start, size))
    )


def _bytearray_is_read(reader: Reader, memory: ProbedMemory) -> bool:
    front, text = b"front", b"text" * 100
    empty, value = bytearray(), bytearray(front + text)
    value.append(0)  # so that more is allocated than used
    del value[: len(front)]  # so that the bytes do not begin where the buffer does
    address = ctypes.addressof((ctypes.c_char * len(text)).from_buffer(value))
    start, size = reader.bytearray_buffer(value, id(value))
    head = structs.basic_size(bytes) - 1 if sys.version_info >= (3, 15) else 0
    return (
        size == bytearray.__sizeof__(value) - structs.basic_size(bytearray)
        and address - start == head + len(front)
        and memory.read(start, size)[address - start :].startswith(text)
        and reader.bytearray_buffer(empty, id(empty)) == ()
    )


def _ids(values: "Iterable[Any]") -> "list[int]":
    return [id(value) for value in values]


def _contains(words: "array[int]", wanted: "list[int]") -> bool:
    """Whether `wanted` stand in `words`, one after the other."""
    if wanted[0] not in words:
        return False
    first = words.index(wanted[0])
    return list(words[first : first + len(wanted)]) == wanted


Check = Callable[[Reader, ProbedMemory], bool]
_CHECKS: dict[str, Check] = {
    "list": _list_is_read,
    "dict": _dict_is_read,
    "set": _set_is_read,
    "bytearray": _bytearray_is_read,
    "instance": _instance_is_read,
}
