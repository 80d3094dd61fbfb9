"""What modules, classes, instances and functions hold in containers: caches, registries, leaks. Runs in a traced worker and in its twin.

As in the atlas, no foreign code runs. A container is named by where it hangs: on a module (`shop.views.CACHE`), on one of its classes or
instances (`shop.views.cart.lines`), or as a variable of a function's closure or defaults. One deeper than that is not found.
"""

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

from pytest_cowmem.zygote import layout
from pytest_cowmem.zygote.atlas import Atlas, type_flags, type_module
from pytest_cowmem.zygote.events import line_at

# By id(), since a metaclass may have its own idea of equality. They lead to all there is.
_NOT_ENTERED = {id(cls) for cls in (ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)}
_FILLING = ("append", "appendleft", "add", "setdefault", "update", "extend", "insert")
_namespace = type.__dict__["__dict__"].__get__
_mro = type.__dict__["__mro__"].__get__


def _cached(value: Any) -> int:
    return _lru_cache_wrapper.cache_info(value).currsize


def _counter(cls: type) -> "Callable[[Any], int] | None":
    """How to count the entries of a container of that type, without asking it."""
    flags = type_flags(cls)
    if flags & layout.DICT:
        return dict.__len__
    if flags & layout.LIST:
        return list.__len__
    if cls is set:
        return set.__len__
    if cls is deque:
        return deque.__len__
    return _cached if cls is _lru_cache_wrapper else None


# A container, its name, and the code of the function whose closure or default it is.
Found = tuple[str, Any, "CodeType | None"]


def _containers(modules: "frozenset[str]") -> "Iterator[tuple[Found, int]]":
    """Each container that is found, once, and its entries."""
    seen = set()
    for found in (*_in_modules(modules), *_in_functions(modules)):
        value = found[1]
        count = _counter(type(value))
        if count is not None and id(value) not in seen:
            seen.add(id(value))
            yield found, count(value)


def _in_modules(modules: "frozenset[str]") -> "Iterator[Found]":
    """What hangs on modules, on classes of theirs, and on their instances of classes written in Python."""
    for name, module in list(dict.items(sys.modules)):
        if name in modules and type(module) is ModuleType:
            for key, value in _named(vars(module)):
                yield f"{name}.{key}", value, None
                cls = type(value)
                if type_flags(cls) & layout.TYPE:
                    space = _namespace(value) if type_module(value) == name else {}
                else:
                    space = _attributes(value) if type_flags(cls) & layout.HEAP_TYPE else {}
                yield from ((f"{name}.{key}.{inner}", part, None) for inner, part in _named(space))


def _named(space: Any) -> "list[tuple[str, Any]]":
    return [(key, value) for key, value in space.items() if type(key) is str and not key.startswith("__")]


def _attributes(value: Any) -> "dict[str, Any]":
    """An instance's own dictionary, where its class has the usual one and no property of that name."""
    for cls in _mro(type(value)):
        getter = _namespace(cls).get("__dict__")
        if getter is not None:
            space = getter.__get__(value) if type(getter) is GetSetDescriptorType else None
            return space if type(space) is dict else {}
    return {}


def _in_functions(modules: "frozenset[str]") -> "Iterator[Found]":
    """What functions of the modules keep in closures and defaults."""
    for function in gc.get_objects():
        if type(function) is FunctionType and type(function.__module__) is str and function.__module__ in modules:
            code, where = function.__code__, f"{function.__module__}.{function.__qualname__}"
            for key, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
                yield from ((f"{where}.{key}", value, code) for value in gc.get_referents(cell))
            defaults = function.__defaults__ or ()
            names = code.co_varnames[code.co_argcount - len(defaults) :]
            yield from ((f"{where}.{key}", value, code) for key, value in zip(names, defaults, strict=False))


def entries(modules: "frozenset[str]") -> "dict[int, int]":
    """How many entries each container of `modules` has, by its id(). What was frozen is not after."""
    gc.unfreeze()  # gc.get_objects() leaves frozen objects out
    return {id(found[1]): count for found, count in _containers(modules)}


def draw_grown(
    fd: int, before: "dict[int, int]", codes: "list[CodeType]"
) -> "tuple[dict[str, tuple[int, int]], list[str], dict[str, tuple[str, int]]]":
    """Draw what is reached from the containers that have grown since `before`, without entering functions, classes and modules.

    Their entries before and now by name, the names that the map's numbers stand for, and (file, line) of where `codes`, the app's, fill
    them.
    """
    gc.unfreeze()
    grown: dict[str, tuple[int, int]] = {}
    filled = {}
    atlas = Atlas(fd)
    for (name, container, code), count in list(_containers(frozenset(sys.modules))):
        had = before.get(id(container), count)
        if count > had:
            earlier = grown.get(name, (0, 0))  # closures of one function share a name
            grown[name] = earlier[0] + had, earlier[1] + count
            if place := _filled_at(name, container, codes if code is None else [code]):
                filled[name] = place
            owner = atlas.owner(name)
            frontier: dict[int, list[Any]] = {}
            atlas.draw([container], owner, frontier)
            while any(frontier.values()):
                frontier = atlas.step({owner: [value for value in frontier[owner] if _is_data(type(value))]})
    atlas.flush()
    return grown, atlas.modules, filled


def _is_data(cls: type) -> bool:
    return id(cls) not in _NOT_ENTERED and not type_flags(cls) & layout.TYPE


def _filled_at(name: str, container: Any, codes: "list[CodeType]") -> "tuple[str, int] | None":
    """The line of `codes` that fills a container: of those that name it the first that also stores into something, or else the first."""
    if type(container) is _lru_cache_wrapper:
        function = container.__wrapped__
        return (function.__code__.co_filename, function.__code__.co_firstlineno) if type(function) is FunctionType else None
    import dis

    variable = name.rpartition(".")[2]
    found = []
    for code in codes:
        if variable in (*code.co_names, *code.co_freevars, *code.co_varnames):
            steps = [(line_at(code, ~step.offset), step) for step in dis.get_instructions(code)]
            storing = {line for line, step in steps if step.opname == "STORE_SUBSCR" or step.argval in _FILLING}
            naming = {line for line, step in steps if step.argval == variable or (type(step.argval) is tuple and variable in step.argval)}
            found += [(line not in storing, code.co_filename, line) for line in naming]
    return min(found)[1:] if found else None
