"""Build values from plain JSON types. Runs in the pytest process; no I/O."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import EnumType
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def typed(kind: Any, data: Any, name: str = "value") -> Any:
    """A value of type `kind` from what `dataclasses.asdict` made of it.

    TypeError, ValueError or AttributeError where `data` is of another type. A str, an int and None
    are checked for that. Dataclasses, tuples, mappings, unions and enumerations are built anew, and
    other types stay as they are.
    """
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if type(data) in kinds:
        return data
    if {str, int, NoneType}.issuperset(kinds):
        raise TypeError(f"{name} is {data!r}, not {' or '.join(part.__name__ for part in kinds)}")
    first = kinds[0]  # the other is None
    parts = get_args(first)
    if get_origin(first) is tuple:
        each = [parts[0]] * len(data) if parts[-1] is Ellipsis else parts
        return tuple(typed(*pair, name) for pair in zip(each, data, strict=True))
    if (get_origin(first) is Mapping or is_dataclass(first)) and not isinstance(data, Mapping):
        raise TypeError(f"{name} is {data!r}, not an object")
    if get_origin(first) is Mapping:
        return {str(key): typed(parts[1], value, key) for key, value in data.items()}
    if is_dataclass(first):
        return _instance(first, data, name)
    return first(data) if isinstance(first, EnumType) else data


def _instance(kind: Any, data: Mapping[str, Any], name: str) -> Any:
    unknown = set(data) - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"{name} has the unknown key {unknown.pop()!r}")
    hints = get_type_hints(kind)
    return kind(**{key: typed(hints[key], value, key) for key, value in data.items()})
