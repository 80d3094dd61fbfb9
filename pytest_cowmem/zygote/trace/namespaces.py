"""Read the names of modules, classes and instances without running foreign code.

Runs in a traced worker and in its twin. A key can be an object with its own idea of equality, and
what a class says of itself can be any object. So keys and texts count only where they are plain
strings.
"""

import sys
from types import GetSetDescriptorType, ModuleType
from typing import Any

of_class = type.__dict__["__dict__"].__get__
mro = type.__dict__["__mro__"].__get__
_dict_offset = type.__dict__["__dictoffset__"].__get__


def loaded() -> "list[tuple[str, ModuleType]]":
    """The loaded modules and their names, without objects that stand in for a module."""
    return [
        (name, module)
        for name, module in list(dict.items(sys.modules))
        if type(name) is str and type(module) is ModuleType
    ]


def is_text(value: object, text: str) -> bool:
    """Whether an object is that text."""
    return type(value) is str and value == text


def named(space: Any) -> "dict[str, Any]":
    """What a namespace has under plain names, without the special ones."""
    return {
        key: value
        for key, value in list(space.items())
        if type(key) is str and not key.startswith("__")
    }


def special(space: Any, name: str) -> Any:
    """What a namespace has under one name; None where there is nothing."""
    for key, value in list(space.items()):
        if type(key) is str and key == name:
            return value
    return None


def of_instance(value: Any) -> "dict[Any, Any]":
    """An instance's own dictionary.

    It is empty where the class has none, or a property instead of the usual `__dict__`.
    """
    if not _dict_offset(type(value)):  # 0 for a type whose instances have none
        return {}
    for cls in mro(type(value)):
        getter = special(of_class(cls), "__dict__")
        if getter is not None:
            space = getter.__get__(value) if type(getter) is GetSetDescriptorType else None
            return space if type(space) is dict else {}
    return {}


def files() -> "dict[str, tuple[str, ModuleType]]":
    """(name, module) of the loaded modules by their files."""
    by_path = {}
    for name, module in loaded():
        path = special(vars(module), "__file__")
        if type(path) is str:
            by_path[path] = name, module
    return by_path
