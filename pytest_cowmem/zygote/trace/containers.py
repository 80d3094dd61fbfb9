"""What modules, classes, instances and functions hold in containers: caches, registries, leaks. Runs in a traced worker and in its twin.

As in the atlas, no foreign code runs. A container is named by where it hangs: on a module (`shop.views.CACHE`), on one of its classes or
instances (`shop.views.cart.lines`), or as a variable of a function's closure or defaults. One deeper than that is not found.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.filling import Finder, Found
from pytest_cowmem.zygote.trace.namespaces import named
from pytest_cowmem.zygote.trace.objects import Atlas, type_flags, type_module

# By id(), since a metaclass may have its own idea of equality. They lead to all there is.
_NOT_ENTERED = {
    id(cls) for cls in (ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)
}
# What was there at the fork: entries by the id() of a container, entries by the name of a module's container, names of modules.
Before = tuple[dict[int, int], dict[str, int], list[str]]


def _cached(value: Any) -> int:
    return _lru_cache_wrapper.cache_info(value).currsize


def _counter(cls: type) -> "Callable[[Any], int] | None":
    """How to count the entries of a container of that type, without asking it."""
    flags = type_flags(cls)
    if flags & structs.DICT:
        return dict.__len__
    if flags & structs.LIST:
        return list.__len__
    if cls is set:
        return set.__len__
    if cls is deque:
        return deque.__len__
    return _cached if cls is _lru_cache_wrapper else None


def _containers(modules: "frozenset[str]") -> "Iterator[tuple[Found, int]]":
    """Each container that is found, once, and its entries."""
    seen = set()
    for found in (*_in_modules(modules), *_in_functions(modules)):
        count = _counter(type(found.value))
        if count is not None and id(found.value) not in seen:
            seen.add(id(found.value))
            yield found, count(found.value)


def _in_modules(modules: "frozenset[str]") -> "Iterator[Found]":
    """What hangs on modules, on classes of theirs, and on their instances of classes written in Python."""
    for name, module in namespaces.loaded():
        if name in modules:
            for key, value in named(vars(module)).items():
                yield Found(f"{name}.{key}", value, name, module)
                cls = type(value)
                if type_flags(cls) & structs.TYPE:
                    space = (
                        namespaces.of_class(value)
                        if namespaces.is_text(type_module(value), name)
                        else {}
                    )
                else:
                    space = (
                        namespaces.of_instance(value) if type_flags(cls) & structs.HEAP_TYPE else {}
                    )
                yield from (
                    Found(f"{name}.{key}.{inner}", part, name, value)
                    for inner, part in named(space).items()
                )


def _in_functions(modules: "frozenset[str]") -> "Iterator[Found]":
    """What functions of the modules keep in closures and defaults."""
    for function in gc.get_objects():
        if (
            type(function) is FunctionType
            and type(function.__module__) is str
            and function.__module__ in modules
        ):
            code, name, module = function.__code__, function.__qualname__, function.__module__
            where = f"{module}.{name if type(name) is str else '?'}"
            for key, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
                yield from (
                    Found(f"{where}.{key}", value, module, code=code)
                    for value in gc.get_referents(cell)
                )
            defaults = function.__defaults__
            if type(defaults) is tuple:
                names = code.co_varnames[code.co_argcount - len(defaults) :]
                yield from (
                    Found(f"{where}.{key}", value, module, code=code)
                    for key, value in zip(names, defaults, strict=False)
                )


def entries(modules: "frozenset[str]") -> Before:
    """How many entries each container of `modules` has. What was frozen is not after."""
    gc.unfreeze()  # gc.get_objects() leaves frozen objects out
    found = list(_containers(modules))
    return (
        {id(it.value): count for it, count in found},
        {it.name: count for it, count in found if not it.code},
        [name for name in modules if type(name) is str],
    )


def draw_grown(
    fd: int, before: Before, codes: "list[CodeType]", is_app: "Callable[[str], bool]"
) -> "tuple[dict[str, tuple[int, int]], list[str], dict[str, tuple[str, int]]]":
    """Draw what is reached from the containers that have grown since `before`, without entering functions, classes and modules.

    Those of modules that came since count if their file `is_app`. Their entries before and now by name, the names that the map's numbers
    stand for, and (file, line) of where `codes`, the app's that ran, fill them.
    """
    gc.unfreeze()
    counts, names, modules = before
    late = [name for path, (name, _) in namespaces.files().items() if is_app(path)]
    finder = Finder(codes)
    grown: dict[str, tuple[int, int]] = {}
    filled = {}
    atlas = Atlas(fd)
    for found, count in list(_containers(frozenset((*modules, *late)))):
        name, container = found.name, found.value
        had = counts.get(
            id(container), 0 if found.code else names.get(name, 0)
        )  # a container can take another's place
        if count > had:
            earlier = grown.get(name, (0, 0))  # closures of one function share a name
            grown[name] = earlier[0] + had, earlier[1] + count
            if place := finder.filled_at(found):
                filled[name] = place
            owner = atlas.owner(name)
            frontier: dict[int, list[Any]] = {}
            atlas.draw([container], owner, frontier)
            while any(frontier.values()):
                frontier = atlas.step(
                    {owner: [value for value in frontier[owner] if _is_data(type(value))]}
                )
    atlas.flush()
    return grown, atlas.modules, filled


def _is_data(cls: type) -> bool:
    return id(cls) not in _NOT_ENTERED and not type_flags(cls) & structs.TYPE
