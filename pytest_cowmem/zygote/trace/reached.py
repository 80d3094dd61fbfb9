"""Walk all that modules lead to, and name an object by the way to it.

Runs in a leak round's worker, and no foreign code runs, as in `objects`. The walk is breadth first,
so that the way to an object is a shortest one. A name reads like the code that leads there:
`shop.state.CARTS['ada'].lines`.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.defining import defining
from pytest_cowmem.zygote.trace.objects import type_flags, type_module, type_name

MOST_OBJECTS = 2_000_000  # of one walk; a dictionary of so many takes some 200 MB
_LONGEST_KEY = 40  # characters
SOME = "[...]"  # stands for a key that is not shown
# By id(), as in `containers`: types of keys whose text is safe to ask for, and of what has items.
_KEYS = {id(cls) for cls in (str, bytes, int, bool, float, type(None))}
_ITEMS = {id(tuple): tuple.__iter__, id(deque): deque.__iter__}
_SETS = {id(set), id(frozenset)}
_OF_CODE = {id(FunctionType), id(ModuleType)}

Counter = Callable[[Any], int]
# How to count the entries of a type's instances, and whether they refer to others.
Facts = tuple["Counter | None", bool]
Root = tuple[str, Any]
Items = Callable[[Any], Iterable[Any]]  # keys and parts of an object


class Reached:
    """What is reached from `roots`, which are names and namespaces or objects.

    `left_out` are objects that are not entered. `counter_of` says how a type's instances are
    counted; `containers` has those that can be, with their entries.
    """

    def __init__(
        self,
        roots: "list[Root]",
        left_out: "Iterable[Any]",
        counter_of: "Callable[[type], Counter | None]",
    ) -> None:
        self.containers: list[tuple[Any, int]] = []
        self._roots = {id(value): name for name, value in roots}
        self._holders: dict[int, Any] = dict.fromkeys(map(id, left_out))
        self._labels: dict[tuple[int, Items], dict[int, str]] = {}
        self._counter_of = counter_of
        self._facts: dict[int, Facts] = {}
        frontier = [value for _, value in roots]
        for value in frontier:
            self._holders[id(value)] = None
            if counter := self._facts_of(type(value))[0]:
                self.containers.append((value, counter(value)))
        while frontier and len(self._holders) < MOST_OBJECTS:
            frontier = self._step(frontier)

    def _step(self, frontier: "list[Any]") -> "list[Any]":
        """Meet what `frontier` refers to; returns what is to be followed next."""
        holders, all_facts, following = self._holders, self._facts, list[Any]()
        for holder in frontier:
            for part in gc.get_referents(holder):
                number = id(part)
                if number in holders:
                    continue
                holders[number] = holder
                cls = type(part)
                counter, leads_on = all_facts.get(id(cls)) or self._facts_of(cls)
                if counter is not None:
                    self.containers.append((part, counter(part)))
                if leads_on:
                    following.append(part)
        return following

    def _facts_of(self, cls: type) -> "Facts":
        leads_on = bool(type_flags(cls) & structs.HAVE_GC) and cls is not FrameType
        facts = self._facts[id(cls)] = self._counter_of(cls), leads_on
        return facts

    def ids(self) -> "frozenset[int]":
        """The id() of all that was met."""
        return frozenset(self._holders)

    def holder(self, value: Any) -> Any:
        """What an object that was met was reached from; None for a root."""
        return self._holders[id(value)]

    def name(self, value: Any) -> str:
        """The way to an object that was met."""
        way = [value]
        while (holder := self._holders[id(way[-1])]) is not None:
            way.append(holder)
        way.reverse()
        name, steps = self._begin(way)
        for index in steps:
            name += self._label(way, index)
        return name

    def _begin(self, way: "list[Any]") -> "tuple[str, range]":
        """Where a name begins, and the steps that follow.

        A class and a function have a name of their own, and so need no way to them.
        """
        for index in range(len(way) - 1, 0, -1):
            if own := _instance_name(*way[index : index + 3]) or _own_name(way[index]):
                return own, range(index + 1, len(way))
        root = self._roots[id(way[0])]
        if len(way) > 1 and _is_module_space(way[0]):
            root = defining(way[1], root)
        if len(way) == 1 and _is_module_space(way[0]):
            root += ".__dict__"
        return root, range(1, len(way))

    def _label(self, way: "list[Any]", index: int) -> str:
        """How the object before it on the way leads to an object."""
        above, holder, part = way[index - 2] if index > 1 else None, way[index - 1], way[index]
        cls = type(holder)
        if part is namespaces.of_instance(holder):
            return "" if index < len(way) - 1 else ".__dict__"
        attribute = self._labels_of(holder, _attributes).get(id(part), "")
        if attribute:
            return attribute
        if type_flags(cls) & structs.DICT:
            label = self._labels_of(holder, dict.items).get(id(part), SOME)
            return _attribute(label) if _is_namespace(holder, above) else label
        if cls is tuple and type(above) is FunctionType:
            return _variable(above, holder, part)
        if type_flags(cls) & structs.LIST or id(cls) in _ITEMS:
            return self._labels_of(holder, _items).get(id(part), SOME)
        if id(cls) in _SETS:
            return SOME
        return ""

    def _labels_of(self, holder: Any, items: Items) -> "dict[int, str]":
        """The labels of a holder's parts by their id()."""
        labels = self._labels.get((id(holder), items))
        if labels is None:
            labels = self._labels[id(holder), items] = {}
            for key, part in list(items(holder)):
                labels.setdefault(id(part), key if items is _attributes else _key(key))
        return labels


def _items(value: Any) -> "Iterable[tuple[int, Any]]":
    return enumerate(_ITEMS.get(id(type(value)), list.__iter__)(value))


def _key(key: Any) -> str:
    if id(type(key)) not in _KEYS:
        return SOME
    text = repr(key)
    return f"[{text}]" if len(text) <= _LONGEST_KEY else SOME


def _attribute(label: str) -> str:
    """`.name` for the label `['name']`."""
    return f".{label[2:-2]}" if label.startswith(("['", '["')) else label


def _attributes(value: Any) -> "Iterable[tuple[str, Any]]":
    """The attributes of an instance, and what its slots hold."""
    for key, part in namespaces.named(namespaces.of_instance(value)).items():
        yield f".{key}", part
    for cls in namespaces.mro(type(value)):
        for key, descriptor in namespaces.named(namespaces.of_class(cls)).items():
            if type(descriptor) is MemberDescriptorType:
                try:
                    yield f".{key}", descriptor.__get__(value)
                except AttributeError:  # the slot is empty
                    continue


def _is_module_space(value: Any) -> bool:
    return any(vars(module) is value for _, module in namespaces.loaded())


def _is_namespace(space: "dict[Any, Any]", holder: Any) -> bool:
    """Whether a dictionary is one of attributes or variables."""
    if holder is None:
        return True
    flags = type_flags(type(holder))
    if flags & structs.TYPE or id(type(holder)) in _OF_CODE:
        return True
    return namespaces.of_instance(holder) is space


def _variable(function: FunctionType, held: "tuple[Any, ...]", part: Any) -> str:
    """The variable of a function's closure or defaults."""
    code = function.__code__
    variables = code.co_freevars
    if held is function.__defaults__:
        variables = code.co_varnames[code.co_argcount - len(held) :]
    for variable, value in zip(variables, held, strict=False):
        if value is part:
            return f".{variable}"
    return ""


def _instance_name(wrapper: Any, *then: Any) -> str:
    """What a function is named for an attribute that it has from the instance which it wraps.

    `functools.wraps` copies attributes. Django wraps each middleware so, and `Counting().paths`
    says more than `convert_exception_to_response.<locals>.inner.paths`.
    """
    if type(wrapper) is not FunctionType or len(then) < 2 or then[0] is not vars(wrapper):
        return ""
    wrapped = namespaces.special(then[0], "__wrapped__")
    attributes = namespaces.named(namespaces.of_instance(wrapped)).values()
    if type(wrapped) is FunctionType or not any(value is then[1] for value in attributes):
        return ""
    own = _own_name(type(wrapped))
    return f"{own}()" if own else ""


def _own_name(value: Any) -> str:
    """The name that a function or class has of its own; "" for others."""
    names: tuple[object, object] = "", None
    if type(value) is FunctionType:
        names = value.__module__, value.__qualname__
    elif type_flags(type(value)) & structs.TYPE:
        names = type_module(value), type_name(value)
    return ".".join(map(str, names)) if all(type(name) is str for name in names) else ""
