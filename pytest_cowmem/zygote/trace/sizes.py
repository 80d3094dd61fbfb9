"""The bytes of objects, as far as C code tells them. Runs in a leak round's worker.

A class may have a `__sizeof__` of its own, which is not called.
"""

import gc
from collections.abc import Iterator
from itertools import islice
from types import CodeType, MethodDescriptorType, WrapperDescriptorType
from typing import Any
from weakref import ReferenceType

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.objects import WITH_FRAMES, bytes_before, type_flags

_MOST_OBJECTS = 200_000  # that are added up for one container
_name_of = type.__dict__["__name__"].__get__
_IN_C = {id(MethodDescriptorType), id(WrapperDescriptorType)}
# How to size the instances of types that are never gone, by id().
_sizers: dict[int, Any] = {}


def bytes_of(value: Any) -> int:
    """The bytes of one object, what lies before its address included."""
    cls = type(value)
    flags = type_flags(cls)
    before = bytes_before(flags)
    if id(cls) in WITH_FRAMES:
        return int(structs.basic_size(cls)) + before
    sizer = _sizers.get(id(cls)) or _sizer(cls)
    if not flags & structs.HEAP_TYPE:
        _sizers[id(cls)] = sizer
    return int(sizer(value)) + before


def _sizer(cls: type) -> Any:
    """The nearest `__sizeof__` of a class that is written in C: that of `object` at last."""
    for base in namespaces.mro(cls):
        method = namespaces.special(namespaces.of_class(base), "__sizeof__")
        if id(type(method)) in _IN_C:
            return method
    return object.__sizeof__


def bytes_beyond(values: "list[Any]", old: "frozenset[int]") -> int:
    """The bytes of what is reached from objects, without `old` ones and what they lead to."""
    seen: set[int] = set()
    size, frontier = 0, values
    while frontier and len(seen) < _MOST_OBJECTS:
        following = []
        for part in _parts_of(frontier):
            if id(part) in old or id(part) in seen:
                continue
            seen.add(id(part))
            size += bytes_of(part)
            if type_flags(type(part)) & structs.HAVE_GC or type(part) is CodeType:
                following.append(part)
        frontier = following
    return size


def _parts_of(values: "list[Any]") -> "Iterator[Any]":
    """Give what values refer to. The collector knows neither a code's parts nor a class's name."""
    yield from gc.get_referents(*values)
    for value in values:
        if type(value) is CodeType:
            yield from (value.co_consts, value.co_names, value.co_name, value.co_qualname)
            yield from (value.co_linetable, value.co_exceptiontable)
        elif type_flags(type(value)) & structs.TYPE:
            yield _name_of(value)


def bytes_of_texts(value: Any, newest: int) -> int:
    """The bytes of a dictionary's keys that are texts, of so many that came last.

    gc.get_referents() leaves texts out where all keys are texts (Objects/dictobject.c,
    dict_traverse).
    """
    if not type_flags(type(value)) & structs.DICT:
        return 0
    keys = islice(dict.__reversed__(value), newest)
    return sum(bytes_of(key) for key in keys if type(key) is str)


def has_weak_references(value: Any, old: "frozenset[int]") -> bool:
    """Whether what is new in a container are weak references alone, but for plain data."""
    classes = [
        type(part)
        for part in gc.get_referents(value)
        if id(part) not in old and type_flags(type(part)) & structs.HAVE_GC
    ]
    weak = [any(base is ReferenceType for base in namespaces.mro(cls)) for cls in classes]
    return bool(weak) and all(weak)
