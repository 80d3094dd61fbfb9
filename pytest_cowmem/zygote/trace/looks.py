"""What there is in a worker at one moment, to compare with another. Runs in a leak round's worker.

No foreign code runs, as in `objects`.
"""

import gc
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper, partial
from types import FunctionType, ModuleType
from typing import Any

from pytest_cowmem.zygote.trace import containers, namespaces, structs
from pytest_cowmem.zygote.trace.filling import Container
from pytest_cowmem.zygote.trace.objects import full_name, type_flags
from pytest_cowmem.zygote.trace.reached import Reached, Root
from pytest_cowmem.zygote.trace.sizes import bytes_of

_OWN = "pytest_cowmem."


class Grown:
    """A container that has grown: how to size it, its sizes, and its name where that is known."""

    def __init__(
        self, value: Any, size: "Callable[[], int]", before: int, now: int, name: str = ""
    ) -> None:
        self.value, self.size, self.before, self.now, self.name = value, size, before, now, name
        self.key = name or id(value)

    @property
    def more(self) -> int:
        return self.now - self.before


class Look:
    """What there is at one moment.

    `by_id` counts the entries of containers by their id(). `by_name` has ids and sizes of what
    modules, their classes and instances name, since a text that grows is another object each time.
    `types` counts objects by the names of their types.
    """

    def __init__(self, app: Any, target: str) -> None:
        gc.collect()
        gc.unfreeze()  # gc.get_objects() leaves frozen objects out
        self.types = counts_by_type()
        self.reached = Reached(*_roots(app, target), counter_of)
        self.found = [
            (value, count)
            for value, count in self.reached.containers
            # The dictionary inside of an lru_cache is counted with it.
            if not is_cache(self.reached.holder(value))
        ]
        self.by_id = {id(value): count for value, count in self.found}
        self.by_name: dict[str, tuple[int, int]] = {
            container.name: (id(container.value), size)
            for container in _named()
            if (size := size_of(container.value)) is not None
        }

    def forget(self) -> None:
        """Keep numbers only, so that the app's objects can go."""
        del self.reached, self.found

    def size(self, one: Grown) -> "int | None":
        """The size of a container at that moment; None where there was none."""
        if one.name:
            return self.by_name.get(one.name, (0, None))[1]
        return self.by_id.get(id(one.value))

    def grown_since(self, before: "Look") -> "list[Grown]":
        """What has more entries now, or another object in its place that is larger; most first."""
        grown = [*self._filled(before), *self._replaced(before)]
        return sorted(grown, key=lambda one: -one.more)

    def _filled(self, before: "Look") -> "Iterator[Grown]":
        for value, now in self.found:
            earlier = before.by_id.get(id(value), now)
            if now > earlier:
                yield Grown(value, partial(_size, value), earlier, now)

    def _replaced(self, before: "Look") -> "Iterator[Grown]":
        for container in _named():
            name, value = container.name, container.value
            _, now = self.by_name.get(name, (0, 0))
            _, earlier = before.by_name.get(name, (0, now))
            if now > earlier and id(value) not in before.by_id:
                yield Grown(value, partial(_size_now, container), earlier, now, name)


def counter_of(cls: type) -> "Callable[[Any], int] | None":
    """How to count the entries of a type's instances, without asking them."""
    if cls is bytearray:
        return bytearray.__len__
    if cls is array:
        return array.__len__
    if any(base is set for base in namespaces.mro(cls)):
        return set.__len__
    return containers.counter(cls)


def size_of(value: Any) -> "int | None":
    """The entries of a container, or the bytes of what is neither code nor a class."""
    cls = type(value)
    if counter := counter_of(cls):
        return counter(value)
    if cls is tuple:
        return tuple.__len__(value)
    if cls is FunctionType or cls is ModuleType or type_flags(cls) & structs.TYPE:
        return None
    return bytes_of(value)


def is_cache(value: Any) -> bool:
    """Whether it is what `functools.lru_cache` makes of a function."""
    return type(value) is _lru_cache_wrapper


def _size(value: Any) -> int:
    return size_of(value) or 0


def unit_of(value: Any) -> str:
    """What `size_of` counts of a value: "entries" or "bytes"."""
    cls = type(value)
    has_entries = cls is tuple or (cls is not bytearray and counter_of(cls) is not None)
    return "entries" if has_entries else "bytes"


def _size_now(container: Container) -> int:
    """The size of what a container's holder has under its name now."""
    holder = container.holder
    if type(holder) is ModuleType:
        space = vars(holder)
    elif type_flags(type(holder)) & structs.TYPE:
        space = namespaces.of_class(holder)
    else:
        space = namespaces.of_instance(holder)
    return _size(namespaces.special(space, container.variable))


def _named() -> "Iterator[Container]":
    names = [name for name, _ in namespaces.loaded() if not name.startswith(_OWN)]
    return containers.in_modules(frozenset(names))


def _roots(app: Any, target: str) -> "tuple[list[Root], list[Any]]":
    """Where a walk begins, and what it leaves out: this package, and modules themselves."""
    roots: list[Root] = []
    left_out: list[Any] = []
    for name, module in namespaces.loaded():
        left_out.append(module)
        if name.startswith(_OWN):
            left_out.append(vars(module))
        else:
            roots.append((name, vars(module)))
    if not any(value is app for _, space in roots for value in list(space.values())):
        roots.append((target.replace(":", ".") + "()", app))
    return roots, left_out


def counts_by_type() -> "Counter[str]":
    """How many objects there are by the full names of their types."""
    types = list(map(type, gc.get_objects()))
    by_id = dict(zip(map(id, types), types, strict=True))
    counts: Counter[str] = Counter()
    for number, count in Counter(map(id, types)).items():
        counts[full_name(by_id[number])] += count
    return counts
