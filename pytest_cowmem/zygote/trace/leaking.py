"""Find what keeps the memory that each request leaves behind. Runs in a leak round's worker.

    look    when the worker is ready, after a third of the requests, and after two
    left    at the end

Growth is that of the last third of the requests, and so is what is found: a cache that is full by
then does not grow in it. Nothing in this worker is measured. So it collects, counts all that
modules lead to, and watches line by line which of the app's fills what has grown.
"""

import gc
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper, partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from pytest_cowmem.zygote import messages, worker
from pytest_cowmem.zygote.trace import containers, namespaces, structs
from pytest_cowmem.zygote.trace.filling import Container, cached_function
from pytest_cowmem.zygote.trace.objects import full_name, type_flags
from pytest_cowmem.zygote.trace.reached import SOME, Reached, Root
from pytest_cowmem.zygote.trace.sizes import bytes_beyond, bytes_of
from pytest_cowmem.zygote.trace.traced_round import app_folders
from pytest_cowmem.zygote.trace.watching import FileLine, Watch

LEAST = 4  # entries in the last third; growth is one only where each quarter of that rises
_OWN = "pytest_cowmem."
_LOOKS = 3
_SLOWER = 2  # times, that a text may have grown in the second third
_MOST_NAMED, _MOST_WATCHED, _MOST_TOLD = 2_000, 100, 20

# Full names of types, and how many more objects of each there are after the last third.
More = list[tuple[str, int]]


class Keeper(NamedTuple):
    """A container that grows with requests.

    `traced` is the name that a traced round has for it, or "". `ready`, `before` and `now` are its
    entries when ready, after two thirds and at the end; of a text, its bytes, which `unit` says
    then. `bytes` are new in the last third. `place` is the line that fills it.
    """

    name: str
    traced: str
    ready: int
    before: int
    now: int
    unit: str
    bytes: int
    place: "FileLine | None"

    @property
    def more(self) -> int:
        return self.now - self.before


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
        self.types = _types()
        self.reached = Reached(*_roots(app, target), counter_of)
        self.found = [
            (value, count)
            for value, count in self.reached.containers
            # The dictionary inside of an lru_cache is counted with it.
            if not _is_cache(self.reached.holder(value))
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


class Search:
    """One worker's search: `look` three times, then `left`."""

    def __init__(self) -> None:
        # Nothing refers to an app that a factory made, but what serves it.
        self._preloaded = next(it for it in gc.get_objects() if type(it) is worker.Preloaded)
        self._looks: list[Look] = []
        self._old: frozenset[int] = frozenset()
        self._watch: Watch | None = None

    def look(self) -> None:
        """Count what there is; the last time, begin to watch what grows."""
        look = self._look()
        if len(self._looks) == _LOOKS - 1:
            grown = look.grown_since(self._looks[-1])[:_MOST_WATCHED]
            sizes = {one.key: one.size for one in grown}
            folders = [*self._preloaded.path, *app_folders(self._preloaded.target)]
            self._watch = Watch(sizes, folders)
            self._old = look.reached.ids()
        look.forget()
        look.types = _types()  # what watches is none of the app's
        self._looks.append(look)
        if self._watch:
            self._watch.begin()

    def left(self) -> "tuple[list[tuple[Any, ...]], More]":
        """What has grown since the last look, that with most new bytes first."""
        places = self._watch.end() if self._watch else {}
        look, last = self._look(), self._looks[-1]
        keepers: dict[str, list[Keeper]] = {}
        traced = _traced_names()
        for one in look.grown_since(last)[:_MOST_NAMED]:
            if _unit(one.value) == "bytes" and not self._grew_before(one):
                continue  # one text after another is longer by chance
            name = one.name or look.reached.name(one.value)
            keeper = Keeper(
                name if one.more >= LEAST else _with_others(name),
                traced.get(id(one.value), ""),
                self._looks[0].size(one) or 0,
                one.before,
                one.now,
                _unit(one.value),
                self._new_bytes(one),
                cached_function(one.value) if _is_cache(one.value) else places.get(one.key),
            )
            keepers.setdefault(keeper.name, []).append(keeper)
        told = [keeper for several in keepers.values() if (keeper := _sum(several)).more >= LEAST]
        told.sort(key=lambda keeper: (-keeper.bytes, keeper.name))
        more = (look.types - last.types).most_common(_MOST_TOLD)
        return list(map(tuple, told[:_MOST_TOLD])), [pair for pair in more if pair[1] >= LEAST]

    def _grew_before(self, one: Grown) -> bool:
        """Whether what grew in the last third grew in the second as well."""
        earlier = self._looks[-2].size(one) or 0
        return (one.before - earlier) * _SLOWER >= one.more

    def _new_bytes(self, one: Grown) -> int:
        """The bytes that a container has had more of since the last look."""
        parts = [one.value]
        if _is_cache(one.value):  # its dictionary is no part of its own bytes
            parts += [part for part in gc.get_referents(one.value) if type(part) is dict]
        own = sum(map(bytes_of, parts)) * one.more // one.now
        return own + bytes_beyond(parts, self._old)

    def _look(self) -> Look:
        return Look(self._preloaded.app, self._preloaded.target)


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


def _is_cache(value: Any) -> bool:
    return type(value) is _lru_cache_wrapper


def _size(value: Any) -> int:
    return size_of(value) or 0


def _unit(value: Any) -> str:
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


def _with_others(name: str) -> str:
    """A name for all that differ in the last key only."""
    start, end = name.rfind("["), name.rfind("]")
    return f"{name[:start]}{SOME}{name[end + 1 :]}" if 0 <= start < end else name


def _sum(keepers: "list[Keeper]") -> Keeper:
    """Containers of one name as one; the line is that of the one that grew most."""
    most = max(keepers, key=lambda keeper: keeper.more)
    return most._replace(
        ready=sum(keeper.ready for keeper in keepers),
        before=sum(keeper.before for keeper in keepers),
        now=sum(keeper.now for keeper in keepers),
        bytes=sum(keeper.bytes for keeper in keepers),
    )


def _traced_names() -> "dict[int, str]":
    """The names that a traced round has for containers, by their id()."""
    modules = frozenset(name for name, _ in namespaces.loaded())
    return {id(it.value): it.name for it, _ in list(containers.counted(modules))}


def _types() -> "Counter[str]":
    return Counter(map(full_name, map(type, gc.get_objects())))


_search: "Search | None" = None


def answer(kind: str) -> "tuple[Any, ...]":
    """What the worker answers to a message that only one of a leak round gets."""
    global _search
    if _search is None:
        _search = Search()
    if kind == messages.LEFT:
        return (kind, *_search.left())
    _search.look()
    return (kind,)
