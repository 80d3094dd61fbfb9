"""What modules and their classes hold in containers: caches, registries, leaks. Runs in a traced worker and in its twin.

As in the atlas, no foreign code runs. A container is named by where it hangs: `shop.views.CACHE`, `shop.views.Cart.seen`; one in an
instance's attribute is not found.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from pytest_cowmem.zygote import layout
from pytest_cowmem.zygote.atlas import Atlas, type_flags, type_module
from pytest_cowmem.zygote.events import line_at

# By id(), since a metaclass may have its own idea of equality. They lead to all there is.
_NOT_ENTERED = {id(cls) for cls in (ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)}
_FILLING = ("append", "appendleft", "add", "setdefault", "update", "extend", "insert")
_namespace = type.__dict__["__dict__"].__get__


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


def _containers(modules: "frozenset[str]") -> "Iterator[tuple[str, Any, int]]":
    """(name, container, entries) of each that hangs on one of `modules` or on a class of its, once."""
    seen = set()
    for name, module in list(dict.items(sys.modules)):
        if name not in modules or type(module) is not ModuleType:
            continue
        spaces = [(name, vars(module))]
        spaces += [
            (f"{name}.{key}", _namespace(value))
            for key, value in vars(module).items()
            if type_flags(type(value)) & layout.TYPE and type_module(value) == name
        ]
        for place, space in spaces:
            for key, value in list(space.items()):
                count = _counter(type(value))
                if count is not None and id(value) not in seen and not (type(key) is str and key.startswith("__")):
                    seen.add(id(value))
                    yield f"{place}.{key}", value, count(value)


def entries(modules: "frozenset[str]") -> "dict[str, int]":
    """How many entries each container of `modules` has, by its name."""
    return {name: count for name, _, count in _containers(modules)}


def draw_grown(
    fd: int, before: "dict[str, int]", codes: "list[CodeType]"
) -> "tuple[dict[str, int], list[str], dict[str, tuple[str, int]]]":
    """Draw what is reached from the containers that have grown since `before`, without entering functions, classes and modules.

    Their entries by name, the names that the map's numbers stand for, and (file, line) of where `codes`, the app's, fill them.
    """
    grown, filled = {}, {}
    atlas = Atlas(fd)
    for name, container, count in list(_containers(frozenset(sys.modules))):
        if count > before.get(name, count):
            grown[name] = count
            if place := _filled_at(name, container, codes):
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
    """The line of the app that fills a container: of those that name it the first that also stores into something, or else the first."""
    if type(container) is _lru_cache_wrapper:
        function = container.__wrapped__
        return (function.__code__.co_filename, function.__code__.co_firstlineno) if type(function) is FunctionType else None
    import dis

    attribute = name.rpartition(".")[2]
    found = []
    for code in codes:
        if attribute in code.co_names:
            steps = [(line_at(code, ~step.offset), step) for step in dis.get_instructions(code)]
            storing = {line for line, step in steps if step.opname == "STORE_SUBSCR" or step.argval in _FILLING}
            found += [(line not in storing, code.co_filename, line) for line, step in steps if step.argval == attribute]
    return min(found)[1:] if found else None
