"""What to do about private memory: named rules, each on a figure that was measured.

Runs in the pytest process; no I/O. A rule is a function of a `Case` that yields its advice; it
stays silent where the figures do not show what it is about.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.explanation import (
    Advice,
    Container,
    Explanation,
    LateImport,
    Line,
    by_statement,
)
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.model.metrics import OF_GROWTH, OF_PRIVATE
from pytest_cowmem.model.units import render

_WORTH = 2 * OF_PRIVATE.absolute  # bytes from which a rule speaks
_MOST_NAMES = 3
# Memory of C code is in what a request leaves behind, and not in what is known of a container.
_KEEPS_MUCH = 4
_EXACT = 100  # entries a request, from which on fractions say nothing
# CPython 3.12 starts with 375 frozen objects, and gc.freeze() takes many thousands in any app.
_FROZEN_FROM_START = 1_000


@dataclass(frozen=True)
class Case:
    """What the rules look at.

    `why` is the explanation, without advice. `requests` counts the traced ones. `facts` is what the
    zygote said of itself (zygote/master.py). `collects` is whether the worker's garbage collector
    was on at its end. `warm` is whether requests came after warming up, so that `late` is known.
    """

    why: Explanation
    requests: int
    facts: Facts
    collects: bool
    warm: bool

    def value(self, metric: str) -> int:
        """The measured value of a metric; 0 where it could not be measured."""
        return self.why.measured.get(metric, 0)

    @property
    def left_behind(self) -> int:
        """Bytes that all requests together leave behind: growth is per request."""
        return self.value("growth") * self.requests


def advise(case: Case) -> tuple[Advice, ...]:
    """What all rules say, the surest first."""
    said: list[Advice] = []
    for rule in RULES:
        said += rule(case)
    return tuple(said)


def leak(case: Case) -> Iterator[Advice]:
    """Every request at steady state leaves memory behind."""
    if not leaks(case):
        return
    growth = render(case.value("growth"), "bytes")
    text = f"each request leaves {growth} behind, {_where_it_is_left(case)}"
    yield Advice("leak", text, case.left_behind)


def leaks(case: Case) -> bool:
    """Whether more stays in use a request than the default tolerance."""
    return case.warm and case.value("growth") > OF_GROWTH.absolute


def _where_it_is_left(case: Case) -> str:
    container = leaked_to(case)
    if container is not None:
        return _kept_in(container, case.value("growth"))
    kinds = [f"{kind} {_number(more)}" for kind, more in case.why.more[:_MOST_NAMES]]
    if kinds:
        return f"where it is kept was not found; objects more after each: {', '.join(kinds)}"
    line = max(case.why.lines, key=lambda line: line.late, default=None)
    if line is not None and line.path and line.late > case.left_behind / 2:
        return f"most of it new at {line.place}"
    return "where it is kept was not found"


def leaked_to(case: Case) -> Container | None:
    """The container that keeps most of what requests leave behind: one that grows with them."""
    growing = [container for container in case.why.containers if container.a_request]
    if not (growing and leaks(case)):
        return None
    return max(growing, key=lambda container: container.bytes_a_request)


def _kept_in(container: Container, growth: int) -> str:
    """The container, and how much of the growth it keeps where that is little of it."""
    unit = "entry" if (container.a_request, container.unit) == (1, "entries") else container.unit
    filled = f", filled at {container.place}" if container.place else ""
    kept = f"kept in {container.name}, {_number(container.a_request)} {unit} a request{filled}"
    if container.after < container.bound:
        kept += f"; it seems bounded at {container.bound:,} entries: make more requests than that"
    if container.bytes_a_request * _KEEPS_MUCH >= growth:
        return kept
    part = render(container.bytes_a_request, "bytes")
    return f"{part} of it {kept}; where the rest is kept was not found"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= _EXACT else f"{amount:g}"


def share_cache(case: Case) -> Iterator[Advice]:
    """A container of a module grows in every worker."""
    for cache in caches(case):
        text = (
            f"{cache.name} grows from {_entries(cache, 'to')} entries in every worker"
            f"{_at(cache)}, and keeps {render(cache.bytes, 'bytes')}: "
            "bound it, or fill it before forking"
        )
        yield Advice("share cache", text, cache.bytes, cache.name)


def caches(case: Case) -> list[Container]:
    """The containers that are worth a mention each: neither a leak nor part of a late import."""
    return [
        container
        for container in case.why.containers[:_MOST_NAMES]
        if not container.a_request and container.bytes - _imported(case, container) >= _WORTH
    ]


def preload(case: Case) -> Iterator[Advice]:
    """Modules are imported in every worker."""
    for statement in large_imports(case):
        size = render(statement.bytes, "bytes")
        text = f"import {statement.by} before forking: every worker does so{_at(statement)}, {size}"
        yield Advice("preload", text, statement.bytes, statement.by)


def large_imports(case: Case) -> list[LateImport]:
    """The import statements that are worth a mention each."""
    largest = by_statement(case.why.imports)[:_MOST_NAMES]
    return [statement for statement in largest if statement.bytes >= _WORTH]


def read_less(case: Case) -> Iterator[Advice]:
    """A line reads or writes many shared objects.

    It copied more than it imports. The rule speaks only where objects of one module are most of it.
    Otherwise new objects fill free space there, or it is data without objects.
    """
    why = case.why
    app_lines = [line for line in why.lines if line.path]
    if not app_lines:
        return
    line, objects = app_lines[0], why.objects
    size = _copied_by(case, line)
    if size >= _WORTH and objects.modules and objects.modules[0].bytes > size / 2:
        module, kind = objects.modules[0], objects.types[0]
        text = (
            f"{line.place} reads or writes shared objects on about {render(size, 'bytes')} of "
            f"pages: {module.objects:,} objects of {module.name} lie on the copied pages, and "
            f"{kind.objects:,} of type {kind.name}; touch fewer, or keep what it needs in one array"
        )
        yield Advice("read less", text, size, line.place)


def _copied_by(case: Case, line: Line) -> int:
    """Bytes of a line that can only be copies of shared pages with objects; 0 where unknown."""
    objects = case.why.objects
    with_objects = (objects.pages - sum(objects.empty.values())) * PAGE
    return min(line.copied - _imported(case, line), with_objects)


def _imported(case: Case, part: Line | Container) -> int:
    """Bytes that late imports account for, of a line or container.

    They are those of the imports at its line, and of the import that loaded its own module.
    """
    loaded_by = {late.by for late in case.why.imports if late.module == part.module}
    size = 0
    for late in case.why.imports:
        if late.by in loaded_by or (late.path and late.place == part.place):
            size += late.bytes
    return size


def freeze(case: Case) -> Iterator[Advice]:
    """Collections copied much, and nothing was frozen."""
    copied = case.value("gc_copied")
    if copied >= _WORTH and case.facts.gc_frozen < _FROZEN_FROM_START:
        text = (
            'call gc.freeze() before forking (gc="freeze" tries it): '
            f"collections ({case.value('gc_collections')}) wrote to {render(copied, 'bytes')}"
        )
        yield Advice("freeze", text, copied)


def collector(case: Case) -> Iterator[Advice]:
    """The app forks with the collector off, and it came on, or collections were asked for."""
    copied = case.value("gc_copied")
    if case.facts.gc_enabled or not (case.collects or copied >= _WORTH):
        return
    largest = case.why.collections[:1]
    where = f" (most was copied at {largest[0].place})" if largest and largest[0].path else ""
    yield Advice("collector", _who_collects(case, where), case.why.by_collections)


def _who_collects(case: Case, where: str) -> str:
    if case.collects:
        return (
            "something turned the garbage collector on in the worker, "
            f"and the app forks with it off{where}: look for gc.enable()"
        )
    # The collector begins with the youngest generation where nobody calls it.
    if case.value("gc_collections") == case.value("gc_collections_2"):
        return (
            "gc.collect() is called in the worker, "
            f"and the app forks with the garbage collector off{where}: leave the call out"
        )
    return (
        "collections ran, and the garbage collector is off at the fork and at the end"
        f"{where}: look for gc.collect() and gc.enable()"
    )


def warm_up(case: Case) -> Iterator[Advice]:
    """The first request takes more than all others, and part of that would last.

    What lasts is small imports and cache entries that no other rule names. Nothing is said of the
    rest, which the next worker may well take again.
    """
    first = case.value("first")
    others = case.why.private - first
    gain = min(first, _small_imports(case) + _small_caches(case))
    if case.requests < 2 or first <= others or gain < _WORTH:
        return
    size_of_first, size_of_others = render(first, "bytes"), render(others, "bytes")
    text = (
        "handle one request before forking (prepare= can): "
        f"the first one takes {size_of_first} and all others {size_of_others}, and what is "
        f"imported and cached on the way, up to {render(gain, 'bytes')}, would be shared"
    )
    yield Advice("warm up", text, gain)


def _small_imports(case: Case) -> int:
    """Bytes of the late imports that `preload` does not name."""
    named = sum(statement.bytes for statement in large_imports(case))
    return sum(late.bytes for late in case.why.imports) - named


def _small_caches(case: Case) -> int:
    """Bytes of the containers that neither another rule nor a late import accounts for."""
    named = caches(case)
    size = 0
    for container in case.why.containers:
        known = container in named or container.a_request
        if not known and not _imported(case, container):
            size += container.bytes
    return size


def threads(case: Case) -> Iterator[Advice]:
    """Threads of the master do not exist in workers."""
    if names := case.facts.threads:
        text = (
            "threads are alive in the master at the fork and missing in its workers "
            f"({', '.join(names[:_MOST_NAMES])}): "
            "start them in after_fork, or as the server's post_fork hook does"
        )
        yield Advice("threads", text, None)


def _entries(container: Container, between: str) -> str:
    return f"{container.before:,} {between} {container.after:,}"


def _at(part: Container | LateImport) -> str:
    return f" at {part.place}" if part.place else ""


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (
    leak,
    share_cache,
    preload,
    read_less,
    freeze,
    collector,
    warm_up,
    threads,
)
