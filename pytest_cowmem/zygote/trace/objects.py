"""Write a map of all objects: where each lies, its type, and which module holds it.

Runs in the twin after the worker was measured. No foreign code runs: `id()` and `type()` tell
objects apart, and the rest is read through descriptors of built-in types or from memory. A module
holds what is reached from it first, breadth first. Functions and classes belong to the module that
they name.
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

from pytest_cowmem.zygote.trace import selfcheck, structs

# The numbers of the first two modules: no module at all, and those loaded for this map.
NOBODY, OMITTED = 0, 1
_CHUNK = 1 << 16
_BATCH = 5_000

type_flags = type.__dict__["__flags__"].__get__
type_name = type.__dict__["__qualname__"].__get__
type_module: "Callable[[Any], object]" = type.__dict__["__module__"].__get__
_function_module: "Callable[[Any], object]" = FunctionType.__dict__["__module__"].__get__
# By id(), since a metaclass may have its own idea of equality. The size of a variable part that
# object.__sizeof__ reads from their head is no such size.
WITH_FRAMES = {id(cls) for cls in (FrameType, GeneratorType, CoroutineType, AsyncGeneratorType)}
# Without co_code, which is a new object at each look.
_code_members = [
    CodeType.__dict__[name].__get__
    for name in (
        "co_consts",
        "co_names",
        "co_name",
        "co_qualname",
        "co_filename",
        "co_linetable",
        "co_exceptiontable",
    )
]


# A type's number, and what holds for each instance: the bytes before its address, how to size it,
# how to read its parts, whether it refers to others, how to read the name of its module.
TypeFacts = tuple[
    int,
    int,
    "Callable[[Any], int]",
    "structs.PartsReader | None",
    bool,
    "Callable[[Any], object] | None",
]


def bytes_before(flags: int) -> int:
    """The bytes that an instance has before its address, by the flags of its type."""
    before = structs.GC_HEAD if flags & structs.HAVE_GC else 0
    if flags & (structs.MANAGED_DICT | structs.MANAGED_WEAKREF):
        before += 2 * structs.WORD
    return before


def _sizer(cls: type, flags: int) -> Callable[[Any], int]:
    """How to size an instance without its parts: by C functions that read its head alone."""
    if flags & structs.INT:
        return int.__sizeof__
    if flags & structs.STR:
        return str.__sizeof__
    if flags & structs.TYPE:
        return _class_size
    if cls is CodeType:
        return CodeType.__dict__["__sizeof__"]  # type: ignore[no-any-return]
    if id(cls) in WITH_FRAMES:
        basic = structs.basic_size(cls)
        return lambda _: basic
    return object.__sizeof__


def _class_size(cls: type) -> int:
    return object.__sizeof__(cls) if type_flags(cls) & structs.HEAP_TYPE else type.__sizeof__(cls)


def _leads_on(cls: type, flags: int) -> bool:
    """Whether instances refer to others that are to be followed. A frame leads to this map."""
    if cls is CodeType:
        return True
    return bool(flags & structs.HAVE_GC) and cls is not FrameType


def _module_getter(cls: type, flags: int) -> "Callable[[Any], object] | None":
    """How to read which module an instance names, where it names one."""
    if flags & structs.TYPE:
        return type_module
    return _function_module if cls is FunctionType else None


class ObjectMap:
    """A map being written into a file descriptor.

    It has three 8-byte words for an object or part. They are its address, its bytes, and its type's
    number << 32 | the number of the module that holds it.
    """

    def __init__(self, fd: int) -> None:
        self.types: list[str] = []
        self.modules = ["", ""]
        self._module_numbers: dict[str, int] = {}
        self._facts: dict[int, TypeFacts] = {}
        self._seen: set[int] = set()
        self._rows = array("Q")
        self._fd = fd
        self._readers = selfcheck.checked_readers()

    def _facts_of(self, cls: type) -> TypeFacts:
        """Number a type that is met for the first time."""
        flags = type_flags(cls)
        kind = structs.kind_of(cls, flags)
        facts = (
            len(self.types),
            bytes_before(flags),
            _sizer(cls, flags),
            self._readers.get(kind) if kind else None,
            _leads_on(cls, flags),
            _module_getter(cls, flags),
        )
        self._facts[id(cls)] = facts
        self.types.append(full_name(cls))
        return facts

    def number(self, module: str) -> int:
        """The number of a module by its name."""
        number = self._module_numbers.get(module)
        if number is None:
            number = self._module_numbers[module] = len(self.modules)
            self.modules.append(module)
        return number

    def add_modules(self, modules: "frozenset[str]") -> None:
        """Add all that `modules` hold. What only other modules hold is left out of the map."""
        frontier: dict[int, list[Any]] = {}
        omitted: dict[int, list[Any]] = {}
        loaded = [(name, value) for name, value in dict.items(sys.modules) if type(name) is str]
        # First, since their package refers to them.
        self.add([value for name, value in loaded if name not in modules], OMITTED, omitted)
        for name, value in loaded:
            if name in modules:
                self.add([value], self.number(name), frontier)
        self.add([sys.modules], self.number("sys"), {})
        self.walk(frontier)
        self.walk(omitted)

    def walk(self, frontier: "dict[int, list[Any]]") -> None:
        """Add all that is reached from `frontier`, which is {module number: objects}.

        All modules take one step at a time, so that the nearest holds an object.
        """
        while any(frontier.values()):
            frontier = self.step(frontier)

    def step(self, frontier: "dict[int, list[Any]]") -> "dict[int, list[Any]]":
        """Add what `frontier` refers to; returns the next frontier."""
        following: dict[int, list[Any]] = {}
        for holder, values in frontier.items():
            for start in range(0, len(values), _BATCH):
                batch = values[start : start + _BATCH]
                self.add(gc.get_referents(*batch), holder, following)
                self.add(_code_referents(batch), holder, following)
        return following

    def add(self, values: "Iterable[Any]", holder: int, following: "dict[int, list[Any]]") -> None:
        """Add those not seen yet, held by `holder`; `following` gets those to follow next."""
        seen, all_facts, rows = self._seen, self._facts, self._rows
        mine = following.setdefault(holder, [])
        for value in values:
            number = id(value)
            if number in seen:
                continue
            seen.add(number)
            kind, before, size, parts, leads_on, module = all_facts.get(
                id(type(value))
            ) or self._facts_of(type(value))
            owner = holder
            if holder != OMITTED:
                if module is not None:
                    owner = self._named(module(value), holder)
                word = kind << 32 | owner
                rows.extend((number - before, size(value) + before, word))
                if parts is not None:
                    self._add_parts(parts(value, number), word)
            if leads_on:
                (mine if owner == holder else following.setdefault(owner, [])).append(value)
        if len(rows) > _CHUNK:
            self.flush()

    def _named(self, module: object, otherwise: int) -> int:
        """The number of a module by what a function or class says of it."""
        return self._module_numbers.get(module, otherwise) if type(module) is str else otherwise

    def _add_parts(self, parts: "tuple[int, ...]", word: int) -> None:
        """Add the parts of an object. Several objects can share one: a table of keys."""
        for first in range(0, len(parts), 2):
            start, size = parts[first], parts[first + 1]
            if start not in self._seen and structs.is_plausible(start, size):
                self._seen.add(start)
                self._rows.extend((start, size, word))

    def flush(self) -> None:
        """Write what was added so far."""
        with memoryview(self._rows).cast("B") as left:
            done = 0
            while done < len(left):
                done += os.write(self._fd, left[done:])
        del self._rows[:]


def full_name(cls: type) -> str:
    module, name = type_module(cls), type_name(cls)
    name = name if type(name) is str else "?"
    return f"{module}.{name}" if type(module) is str and module != "builtins" else name


def _code_referents(values: "list[Any]") -> "list[Any]":
    """What code objects refer to, which gc.get_referents() leaves out."""
    referents = []
    for value in values:
        if type(value) is CodeType:
            referents += [member(value) for member in _code_members]
    return referents


def write_map(fd: int, modules: "frozenset[str]") -> "tuple[list[str], list[str]]":
    """Write the map into `fd`; returns the names of types and of modules by their numbers.

    `modules` are those that were loaded before this one. What came later is not in the worker, and
    is left out. Touches every object, and collects nothing.
    """
    gc.disable()
    gc.unfreeze()  # gc.get_objects() leaves frozen objects out
    tracked = gc.get_objects()
    object_map = ObjectMap(fd)
    object_map.add_modules(modules)
    left: dict[int, list[Any]] = {}
    object_map.add(tracked, NOBODY, left)
    object_map.walk(left)
    object_map.flush()
    return object_map.types, object_map.modules
