"""Build values from plain JSON types, and the other way round. Runs in the pytest process; no I/O.

What a type calls for is found out once, since a report has it thousands of times.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, EnumType
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Reader = Callable[[Any, str], Any]  # from data and its name

_BITS = 64  # of a number: no address, size or time has more


def typed(kind: Any, data: Any, name: str = "value") -> Any:
    """A value of type `kind` from what `plain` made of it.

    TypeError, ValueError or AttributeError where `data` is of another type. A str, an int and None
    are checked for that. Dataclasses, tuples, mappings, unions and enumerations are built anew, and
    other types stay as they are.
    """
    return _reader(kind)(data, name)


def plain(value: Any) -> Any:
    """A value in types that JSON has: dataclasses are dicts, and tuples are lists."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {name: plain(part) for name, part in shallow(value).items()}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [*map(plain, value)] if isinstance(value, (tuple, list)) else value


def shallow(value: Any) -> dict[str, Any]:
    """A dataclass's fields. What a value keeps beside them, as a cached property, is none."""
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _names(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _reader(kind: Any) -> Reader:
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if {str, int, NoneType}.issuperset(kinds):
        return partial(_checked, kinds)
    return partial(_built, kinds, _builder(kinds[0]))  # the other is None


def _checked(kinds: tuple[Any, ...], data: Any, name: str) -> Any:
    if type(data) in kinds:
        if type(data) is int and data.bit_length() > _BITS:
            raise ValueError(f"{name} has more than {_BITS} bits")
        return data
    raise TypeError(f"{name} is {data!r}, not {' or '.join(part.__name__ for part in kinds)}")


def _built(kinds: tuple[Any, ...], build: Reader, data: Any, name: str) -> Any:
    return data if type(data) in kinds else build(data, name)


def _builder(kind: Any) -> Reader:
    """What builds a value of a type that is no union."""
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        if parts[-1] is Ellipsis:
            return partial(_sequence, _reader(parts[0]))
        return partial(_tuple, tuple(map(_reader, parts)))
    if get_origin(kind) is Mapping:
        return partial(_mapping, _reader(parts[1]))
    if is_dataclass(kind):
        return partial(_instance, kind)
    return lambda data, _name: kind(data) if isinstance(kind, EnumType) else data


def _sequence(read: Reader, data: Any, name: str) -> tuple[Any, ...]:
    return tuple([read(value, name) for value in data])


def _tuple(readers: tuple[Reader, ...], data: Any, name: str) -> tuple[Any, ...]:
    return tuple(read(value, name) for read, value in zip(readers, data, strict=True))


def _mapping(read: Reader, data: Any, name: str) -> dict[str, Any]:
    _refuse_other_than_object(data, name)
    return {str(key): read(value, key) for key, value in data.items()}


def _instance(kind: Any, data: Any, name: str) -> Any:
    _refuse_other_than_object(data, name)
    readers = _fields(kind)
    if unknown := data.keys() - readers.keys():
        raise ValueError(f"{name} has the unknown key {unknown.pop()!r}")
    return kind(**{key: readers[key](value, key) for key, value in data.items()})


@cache
def _fields(kind: Any) -> dict[str, Reader]:
    hints = get_type_hints(kind)
    return {name: _reader(hints[name]) for name in _names(kind)}


def _refuse_other_than_object(data: Any, name: str) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"{name} is {data!r}, not an object")
