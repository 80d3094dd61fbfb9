"""The bytes of objects, as far as C code tells them. Runs in a leak round's worker.

A class may have a `__sizeof__` of its own, which is not called.
"""

import gc
from types import MethodDescriptorType, WrapperDescriptorType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.objects import WITH_FRAMES, bytes_before, type_flags

_MOST_OBJECTS = 200_000  # that are added up for one container
_IN_C = {id(MethodDescriptorType), id(WrapperDescriptorType)}


def bytes_of(value: Any) -> int:
    """The bytes of one object, what lies before its address included."""
    cls = type(value)
    before = bytes_before(type_flags(cls))
    if id(cls) in WITH_FRAMES:
        return int(structs.basic_size(cls)) + before
    for base in namespaces.mro(cls):
        method = namespaces.special(namespaces.of_class(base), "__sizeof__")
        if id(type(method)) in _IN_C:
            return int(method(value)) + before
    return before


def bytes_beyond(values: "list[Any]", old: "frozenset[int]") -> int:
    """The bytes of what is reached from objects, without `old` ones and what they lead to."""
    seen: set[int] = set()
    size, frontier = 0, values
    while frontier and len(seen) < _MOST_OBJECTS:
        following = []
        for part in gc.get_referents(*frontier):
            if id(part) in old or id(part) in seen:
                continue
            seen.add(id(part))
            size += bytes_of(part)
            if type_flags(type(part)) & structs.HAVE_GC:
                following.append(part)
        frontier = following
    return size
