"""Draw the map of all objects: where each lies, its type, and which module holds it. Runs in the twin, after the worker was measured.

No foreign code runs: objects are known by `id()` and `type()` only, and what more is needed is read through the descriptors of the built-in
types or from memory. A module holds what is reached from it first, breadth first; functions and classes belong to the module they name.
"""

import gc
import os
import sys
from array import array
from collections.abc import Callable, Iterable
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
)
from typing import Any

from pytest_cowmem.zygote.trace import structs

NOBODY, OMITTED = 0, 1  # the first two modules: held by none, and the atlas itself
_RECORD_WORDS = 3
_CHUNK = 1 << 16
_BATCH = 5_000

type_flags = type.__dict__["__flags__"].__get__
_type_name = type.__dict__["__qualname__"].__get__
type_module = type.__dict__["__module__"].__get__
_basic_size = type.__dict__["__basicsize__"].__get__
# By id(), since a metaclass may have its own idea of equality. What object.__sizeof__ takes for the length of these is none.
_WITH_FRAMES = {id(cls) for cls in (FrameType, GeneratorType, CoroutineType, AsyncGeneratorType)}
_function_module = FunctionType.__dict__["__module__"].__get__
_code_members = [
    CodeType.__dict__[name].__get__
    for name in (
        "co_code",
        "co_consts",
        "co_names",
        "co_name",
        "co_qualname",
        "co_filename",
        "co_linetable",
        "co_exceptiontable",
    )
    if name in CodeType.__dict__
    and (name != "co_code" or sys.version_info < (3, 11))  # made anew at each look since 3.11
]


# What is known of a type: its number, bytes before an instance's address, how to size one, how to find what it keeps elsewhere, whether it
# refers to others, and how to read the module it names.
Kind = tuple[
    int, int, "Callable[[Any], int]", "structs.Parts | None", bool, "Callable[[Any], object] | None"
]


def _bytes_before(flags: int) -> int:
    before = structs.GC_HEAD if flags & structs.HAVE_GC else 0
    if sys.version_info >= (3, 11) and flags & (structs.MANAGED_DICT | structs.MANAGED_WEAKREF):
        before += 2 * structs.WORD
    return before


def _sizer(cls: type, flags: int) -> Callable[[Any], int]:
    """How large an instance is without what lies elsewhere: by C functions of built-in types, which read its header alone."""
    if flags & structs.INT:
        return int.__sizeof__
    if flags & structs.STR:
        return str.__sizeof__
    if flags & structs.TYPE:
        return _class_size
    if cls is CodeType:
        return CodeType.__dict__["__sizeof__"]  # type: ignore[no-any-return]
    if id(cls) in _WITH_FRAMES:
        basic = _basic_size(cls)
        return lambda _: basic
    return object.__sizeof__


def _class_size(cls: type) -> int:
    return object.__sizeof__(cls) if type_flags(cls) & structs.HEAP_TYPE else type.__sizeof__(cls)


def _parts(cls: type, flags: int) -> "structs.Parts | None":
    """How to find what an instance keeps elsewhere."""
    if flags & structs.DICT:
        return structs.dict_parts
    if flags & structs.LIST:
        return structs.list_parts
    if cls is set or cls is frozenset:
        return structs.set_parts
    if cls is bytearray:
        return structs.bytearray_parts
    if flags & structs.MANAGED_DICT and (3, 11) <= sys.version_info[:2] <= (3, 12):
        return structs.instance_parts
    return None


class Atlas:
    """A map being drawn into a file descriptor: three 8-byte words an object or part, which are its address, its bytes, and the type's
    number << 32 | the module's number."""

    def __init__(self, fd: int) -> None:
        self.types: list[str] = []
        self.modules = ["", ""]
        self._owners: dict[str, int] = {}
        self._kinds: dict[int, Kind] = {}
        self._seen: set[int] = set()
        self._rows = array("Q")
        self._fd = fd
        self._laid_out = structs.known()

    def _kind(self, cls: type) -> Kind:
        flags = type_flags(cls)
        kind = (
            len(self.types),
            _bytes_before(flags),
            _sizer(cls, flags),
            _parts(cls, flags) if self._laid_out else None,
            cls is CodeType
            or (
                bool(flags & structs.HAVE_GC) and cls is not FrameType
            ),  # a running frame leads to the atlas itself
            type_module
            if flags & structs.TYPE
            else _function_module
            if cls is FunctionType
            else None,
        )
        self._kinds[id(cls)] = kind
        self.types.append(_full_name(cls))
        return kind

    def owner(self, module: str) -> int:
        """The number of a module by its name."""
        number = self._owners.get(module)
        if number is None:
            number = self._owners[module] = len(self.modules)
            self.modules.append(module)
        return number

    def draw_modules(self, modules: "frozenset[str]") -> None:
        """Draw all that modules hold; last, and only to be left out, what the others than `modules` hold alone."""
        frontier: dict[int, list[Any]] = {}
        omitted: dict[int, list[Any]] = {}
        loaded = [(name, value) for name, value in dict.items(sys.modules) if type(name) is str]
        self.draw(
            [value for name, value in loaded if name not in modules], OMITTED, omitted
        )  # their package refers to them
        for name, value in loaded:
            if name in modules:
                self.draw([value], self.owner(name), frontier)
        self.draw([sys.modules], self.owner("sys"), {})
        self.walk(frontier)
        self.walk(omitted)

    def walk(self, frontier: "dict[int, list[Any]]") -> None:
        """Draw all that is reached from `frontier`, which is {module number: objects}, step by step from all at once."""
        while any(frontier.values()):
            frontier = self.step(frontier)

    def step(self, frontier: "dict[int, list[Any]]") -> "dict[int, list[Any]]":
        """Draw what `frontier` refers to; what is to be followed next."""
        following: dict[int, list[Any]] = {}
        for owner, values in frontier.items():
            for start in range(0, len(values), _BATCH):
                batch = values[start : start + _BATCH]
                self.draw(gc.get_referents(*batch), owner, following)
                self.draw(_code_referents(batch), owner, following)
        return following

    def draw(self, values: "Iterable[Any]", owner: int, following: "dict[int, list[Any]]") -> None:
        """Draw those not seen yet, held by `owner`; what they refer to is yet to be `following`."""
        seen, kinds, rows, sane = self._seen, self._kinds, self._rows, structs.sane
        add, extend = seen.add, rows.extend
        mine = following.setdefault(owner, [])
        for value in values:
            number = id(value)
            if number in seen:
                continue
            add(number)
            kind, before, size, parts, follow, module = kinds.get(id(type(value))) or self._kind(
                type(value)
            )
            word = kind << 32 | owner
            if module is not None and owner != OMITTED:
                holder = self._named(module(value), owner)
                word += holder - owner
                if holder != owner:
                    following.setdefault(holder, []).append(value)
                    follow = False
            if owner != OMITTED:
                extend((number - before, size(value) + before, word))
                if parts is not None:
                    found = parts(value, number)
                    if len(found) == 2 and found[0] not in seen and sane(*found):
                        add(found[0])
                        extend(found)
                        rows.append(word)
                    elif len(found) > 2:
                        self._draw_parts(found, word)
            if follow:
                mine.append(value)
        if len(rows) > _CHUNK:
            self.flush()

    def _named(self, module: object, otherwise: int) -> int:
        """The number of a module by what a function or class says of it."""
        return self._owners.get(module, otherwise) if type(module) is str else otherwise

    def _draw_parts(self, parts: "tuple[int, ...]", word: int) -> None:
        """Draw the parts of an object; several can share one, as instances share a table of keys."""
        for first in range(0, len(parts), 2):
            start, size = parts[first], parts[first + 1]
            if start not in self._seen and structs.sane(start, size):
                self._seen.add(start)
                self._rows.extend((start, size, word))

    def flush(self) -> None:
        """Write out what was drawn."""
        with memoryview(self._rows).cast("B") as left:
            done = 0
            while done < len(left):
                done += os.write(self._fd, left[done:])
        del self._rows[:]


def _full_name(cls: type) -> str:
    module, name = type_module(cls), _type_name(cls)
    name = name if type(name) is str else "?"
    return f"{module}.{name}" if type(module) is str and module != "builtins" else name


def _code_referents(values: "list[Any]") -> "list[Any]":
    """What code objects refer to, which the garbage collector does not tell."""
    return [
        member(value) for value in values if type(value) is CodeType for member in _code_members
    ]


def draw(fd: int, modules: "frozenset[str]") -> "tuple[list[str], list[str]]":
    """Draw the map into `fd`; the names that its numbers stand for, of types and of modules.

    `modules` are those that were loaded before this one: what came later, the atlas with it, is not in the worker and left out. Touches
    every object, and collects nothing.
    """
    gc.disable()
    gc.unfreeze()  # gc.get_objects() leaves frozen objects out
    tracked = gc.get_objects()
    atlas = Atlas(fd)
    atlas.draw_modules(modules)
    left: dict[int, list[Any]] = {}
    atlas.draw(tracked, NOBODY, left)
    atlas.walk(left)
    atlas.flush()
    return atlas.types, atlas.modules
