"""What modules, classes, instances and functions hold in containers: caches, registries, leaks.

Runs in a traced worker and in its twin. No foreign code runs, as in `objects`. A container is named
by where it hangs: on a module (`shop.views.CACHE`), or on one of its classes or instances
(`shop.views.cart.lines`). It can also be a variable of a function's closure or defaults. One that
hangs deeper is not listed. One that hangs in several places has its plainest name.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.filling import Container, FillSearch
from pytest_cowmem.zygote.trace.namespaces import named
from pytest_cowmem.zygote.trace.objects import ObjectMap, type_flags, type_module

# By id(), since a metaclass may have its own idea of equality. They lead to all there is.
_NOT_ENTERED = {
    id(cls) for cls in (ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)
}
# At the fork: entries by the id() of a container, entries by the name of a module's container,
# names of modules, and the id() of each class.
Before = tuple[dict[int, int], dict[str, int], list[str], list[int]]
# Entries before and now, by a container's name. Names of modules by their numbers in the map. The
# (file, line) that fills a container, by its name.
Grown = tuple[dict[str, tuple[int, int]], list[str], dict[str, tuple[str, int]]]


def _cached(value: Any) -> int:
    return _lru_cache_wrapper.cache_info(value).currsize


def counter(cls: type) -> "Callable[[Any], int] | None":
    """How to count the entries of a container of that type, without asking the container."""
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


def counted(modules: "frozenset[str]") -> "Iterator[tuple[list[Container], int]]":
    """Each container of `modules` once: where it hangs, the plainest place first, and its entries.

    It may be the variable of very many functions, so one of them stands for all.
    """
    places: dict[int, list[Container]] = {}
    for place in (*in_modules(modules), *_in_functions(modules)):
        if counter(type(place.value)) is not None:
            known = places.setdefault(id(place.value), [])
            if not known or place.code is None:
                known.append(place)
    for known in places.values():
        value = known[0].value
        count = counter(type(value))
        assert count is not None
        yield _plainest_first(known), count(value)


def _plainest_first(places: "list[Container]") -> "list[Container]":
    """The same places, the one with the plainest name first.

    `sys.modules` has a module from the end of its import, so that one that another imports from
    comes before it. In a circle it may come after: `django.template.engines` is first seen in
    `django.template.autoreload`. So a shorter name goes before, in the same module or in a package
    that it is in. Elsewhere it is a name that was imported.
    """
    best = places[0]
    for place in places:
        if place.name.count(".") < best.name.count(".") and f"{best.module}.".startswith(
            f"{place.module}."
        ):
            best = place
    return [best, *(place for place in places if place is not best)]


def in_modules(modules: "frozenset[str]") -> "Iterator[Container]":
    """What hangs on modules, on their classes, and on instances of classes written in Python.

    What is no container is among it.
    """
    for name, module in namespaces.loaded():
        if name not in modules:
            continue
        for key, value in named(vars(module)).items():
            yield Container(f"{name}.{key}", value, name, module)
            space = _namespace(value, name)
            if not space:  # most have none
                continue
            for inner, part in named(space).items():
                yield Container(f"{name}.{key}.{inner}", part, name, value)


def _namespace(value: Any, module: str) -> Any:
    """The namespace of a class of that module, or of an instance."""
    flags = type_flags(type(value))
    if flags & structs.TYPE:
        return namespaces.of_class(value) if namespaces.is_text(type_module(value), module) else {}
    return namespaces.of_instance(value) if flags & structs.HEAP_TYPE else {}


def _in_functions(modules: "frozenset[str]") -> "Iterator[Container]":
    """What functions of `modules` keep in closures and defaults. Not all of it is containers."""
    for function in gc.get_objects():
        if type(function) is not FunctionType:
            continue
        module, name, code = function.__module__, function.__qualname__, function.__code__
        if type(module) is not str or module not in modules:
            continue
        where = f"{module}.{name if type(name) is str else '?'}"
        for variable, value in (*_closure(function), *_defaults(function)):
            yield Container(f"{where}.{variable}", value, module, code=code)


def _closure(function: FunctionType) -> "Iterator[tuple[str, Any]]":
    """The variables of a closure; one that has no value yet is left out."""
    cells = function.__closure__ or ()
    for variable, cell in zip(function.__code__.co_freevars, cells, strict=False):
        for value in gc.get_referents(cell):
            yield variable, value


def _defaults(function: FunctionType) -> "Iterator[tuple[str, Any]]":
    """The positional arguments that have a default."""
    code, defaults = function.__code__, function.__defaults__
    if type(defaults) is not tuple:
        return
    variables = code.co_varnames[code.co_argcount - len(defaults) :]
    yield from zip(variables, defaults, strict=False)


def entries(modules: "frozenset[str]") -> Before:
    """How many entries each container of `modules` has. What was frozen is not frozen after."""
    gc.unfreeze()  # gc.get_objects() leaves frozen objects out
    by_id, by_name = {}, {}
    for places, count in list(counted(modules)):
        by_id[id(places[0].value)] = count
        for place in places:
            if place.code is None:
                by_name[place.name] = count
    classes = [id(value) for value in gc.get_objects() if type_flags(type(value)) & structs.TYPE]
    return by_id, by_name, [name for name in modules if type(name) is str], classes


def write_grown(
    fd: int, before: Before, search: FillSearch, is_app: "Callable[[str], bool]"
) -> Grown:
    """Write a map of what is reached from the containers that have grown since `before`.

    Functions, modules and the classes of `before` are not entered. A container of a module that
    was imported since counts where the module's file `is_app`. What several containers hold is the
    app's own first: a cache of a library would not keep it for long. `search` looks for the lines
    that fill containers.
    """
    gc.unfreeze()
    by_id, by_name, modules, classes = before
    old = frozenset(classes)
    own = {name for path, (name, _) in namespaces.files().items() if is_app(path)}
    found = sorted(
        counted(frozenset(own.union(modules))), key=lambda pair: pair[0][0].module not in own
    )
    grown: dict[str, tuple[int, int]] = {}
    filled = {}
    object_map = ObjectMap(fd)
    for places, count in found:
        container = places[0]
        name = container.name
        # By name too, since a container can take another's place.
        otherwise = 0 if container.code else by_name.get(name, 0)
        had = by_id.get(id(container.value), otherwise)
        if count <= had:
            continue
        earlier = grown.get(name, (0, 0))  # closures of one function share a name
        grown[name] = earlier[0] + had, earlier[1] + count
        if line := search.filled_at(*places):
            filled[name] = line
        _add_contents(object_map, container, old)
    object_map.flush()
    return grown, object_map.modules, filled


def _add_contents(object_map: ObjectMap, container: Container, old: "frozenset[int]") -> None:
    """Add a container and the data that is reached from it, under the container's name.

    `old` has the classes that are no data.
    """
    number = object_map.number(container.name)
    frontier: dict[int, list[Any]] = {}
    object_map.add([container.value], number, frontier)
    while any(frontier.values()):
        data = [value for value in frontier[number] if _is_data(value, old)]
        frontier = object_map.step({number: data})


def _is_data(value: Any, old: "frozenset[int]") -> bool:
    """Whether to enter a value; a class that the app made since the fork may be kept by nothing
    else.
    """
    cls = type(value)
    if type_flags(cls) & structs.TYPE:
        return id(value) not in old and bool(type_flags(value) & structs.HEAP_TYPE)
    return id(cls) not in _NOT_ENTERED
