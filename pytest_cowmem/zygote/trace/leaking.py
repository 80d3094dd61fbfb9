"""Find what keeps the memory that each request leaves behind. Runs in a leak round's worker.

    look    when the worker is ready, after a third of the requests, and after two
    left    at the end

Growth is that of the last third of the requests, and so is what is found: a cache that is full by
then does not grow in it. Nothing in this worker is measured. So it collects, counts all that
modules lead to, and watches line by line which of the app's fills what has grown.
"""

import gc
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple

from pytest_cowmem.zygote import messages, worker
from pytest_cowmem.zygote.trace import containers, namespaces
from pytest_cowmem.zygote.trace.bounds import bound_of
from pytest_cowmem.zygote.trace.filling import cached_function
from pytest_cowmem.zygote.trace.looks import Grown, Look, counts_by_type, is_cache, unit_of
from pytest_cowmem.zygote.trace.own import own_roots
from pytest_cowmem.zygote.trace.reached import SOME
from pytest_cowmem.zygote.trace.sizes import (
    bytes_beyond,
    bytes_of,
    bytes_of_texts,
    has_weak_references,
)
from pytest_cowmem.zygote.trace.watching import FileLine, LineWatch

LEAST = 4  # entries in the last third; growth is one only where each quarter of that rises
_LOOKS = 3
_SLOWER = 2  # times, that a text may have grown in the second third
_MOST_NAMED, _MOST_WATCHED, _MOST_TOLD = 2_000, 100, 20

# Full names of types, and how many more objects of each there are after the last third.
More = list[tuple[str, int]]


class Keeper(NamedTuple):
    """A container that grows with requests.

    `traced` is the name that a traced round has for it, or "". `ready`, `before` and `now` are its
    entries when ready, after two thirds and at the end; of a text, its bytes, which `unit` says
    then. `bytes` are new in the last third. `place` is the line that fills it. It
    cannot have more entries than its `bound`, where that is known and not 0.
    """

    name: str
    traced: str
    ready: int
    before: int
    now: int
    unit: str
    bytes: int
    place: "FileLine | None"
    bound: int

    @property
    def more(self) -> int:
        return self.now - self.before


class Search:
    """One worker's search: `look` three times, then `left`.

    `own` names the modules whose lines are watched, none for all in the app's folders.
    """

    def __init__(self, own: "Sequence[str]") -> None:
        self._own = own
        # Nothing refers to an app that a factory made, but what serves it.
        self._preloaded = _preloaded()
        self._looks: list[Look] = []
        self._old: frozenset[int] = frozenset()
        self._watch: LineWatch | None = None

    def look(self) -> None:
        """Count what there is; the last time, begin to watch what grows."""
        look = self._look()
        if len(self._looks) == _LOOKS - 1:
            grown = look.grown_since(self._looks[-1])[:_MOST_WATCHED]
            sizes = {one.key: one.size for one in grown}
            self._watch = LineWatch(sizes, self._roots())
            self._old = look.reached.ids()
        look.forget()
        look.types = counts_by_type()  # what watches is none of the app's
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
            if unit_of(one.value) == "bytes" and not self._grew_before(one):
                continue  # one text after another is longer by chance
            if has_weak_references(one.value, self._old):
                continue  # another container keeps what they refer to
            name = one.name or look.reached.name(one.value)
            keeper = Keeper(
                name if one.more >= LEAST else _with_others(name),
                traced.get(id(one.value), ""),
                self._looks[0].size(one) or 0,
                one.before,
                one.now,
                unit_of(one.value),
                self._new_bytes(one),
                cached_function(one.value) if is_cache(one.value) else places.get(one.key),
                0 if one.name else bound_of(one.value, look.reached.holder(one.value)),
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
        if is_cache(one.value):  # its dictionary is no part of its own bytes
            parts += [part for part in gc.get_referents(one.value) if type(part) is dict]
        own = sum(map(bytes_of, parts)) * one.more // one.now
        keys = sum(bytes_of_texts(part, one.more) for part in parts)
        return own + keys + bytes_beyond(parts, self._old)

    def _roots(self) -> "list[str]":
        path, target = self._preloaded.path, self._preloaded.target
        try:
            return own_roots(self._own, path, target)
        except LookupError:  # the traced round, which comes next, tells of it
            return own_roots((), path, target)

    def _look(self) -> Look:
        return Look(self._preloaded.app, self._preloaded.target)


def _preloaded() -> worker.Preloaded:
    """What the worker serves. A frame has it, and `gc.get_objects` leaves out what is frozen."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        for value in frame.f_locals.values():
            if type(value) is worker.Preloaded:
                return value
        frame = frame.f_back
    raise LookupError("no frame of this thread serves an app")


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
    return {id(it.value): it.name for (it, *_), _ in list(containers.counted(modules))}


_search: "Search | None" = None


def answer(kind: str, own: "Sequence[str]" = ()) -> "tuple[Any, ...]":
    """What the worker answers to a message that only one of a leak round gets."""
    global _search
    if _search is None:
        _search = Search(own)
    if kind == messages.LEFT:
        return (kind, *_search.left())
    _search.look()
    return (kind,)
