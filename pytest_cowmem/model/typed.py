"""Build values from plain JSON types. Runs in the pytest process; no I/O."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def typed(kind: Any, data: Any, name: str = "value") -> Any:
    """A value of type `kind` from what `dataclasses.asdict` made of it.

    TypeError, ValueError or AttributeError where `data` is of another type. A str, an int and None
    are checked for that. What is no dataclass, tuple, mapping, union or enumeration stays as it is.
    """
    parts = get_args(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        same = [part for part in parts if type(data) is part]
        return typed((same or parts)[0], data, name)
    if origin is tuple:
        kinds = [parts[0]] * len(data) if parts[-1] is Ellipsis else parts
        return tuple(typed(*pair, name) for pair in zip(kinds, data, strict=True))
    if origin is Mapping:
        return {str(key): typed(parts[1], value, key) for key, value in data.items()}
    if is_dataclass(kind):
        return _instance(kind, data, name)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind in (str, int, NoneType) and type(data) is not kind:
        raise TypeError(f"{name} is {data!r}, not {kind.__name__}")
    return data


def _instance(kind: Any, data: Mapping[str, Any], name: str) -> Any:
    unknown = set(data) - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"{name} has the unknown key {unknown.pop()!r}")
    hints = get_type_hints(kind)
    return kind(**{key: typed(hints[key], value, key) for key, value in data.items()})
