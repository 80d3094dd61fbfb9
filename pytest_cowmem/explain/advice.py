"""What to do about private memory: named rules, each on a figure that was measured. Runs in the pytest process; no I/O."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pytest_cowmem.explain.explanation import Advice, Container, Explanation, Line
from pytest_cowmem.explain.imports import LateImport, by_statement
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.model.units import render

_WORTH = (
    128 * 1024
)  # bytes a rule is worth mentioning for: twice the default tolerance of `private`
_GROWTH = 64  # bytes a request: the default tolerance of `growth`
_NAMES = 3
_COUNTED_TWICE = 1.1  # a share of `private` that cannot be all of it
_FROZEN_FROM_START = 1_000  # objects: CPython 3.12 starts with 375 frozen, and gc.freeze() takes many thousands in any app


@dataclass(frozen=True)
class Case:
    """What the rules look at: an explanation, the measured values by metric, the requests made, and the zygote's facts.

    `collects` is whether the worker's collector was on at its end, `warm` whether warming up was told apart.
    """

    why: Explanation
    values: Mapping[str, int]
    requests: int
    facts: Facts
    collects: bool
    warm: bool


def advise(case: Case) -> tuple[Advice, ...]:
    """What all rules say, the surest first."""
    return tuple(advice for rule in RULES for advice in rule(case))


def freeze(case: Case) -> Iterator[Advice]:
    """Collections copied much, and nothing was frozen."""
    copied = case.values.get("gc_copied", 0)
    if copied >= _WORTH and case.facts.gc_frozen < _FROZEN_FROM_START:
        times = case.values["gc_collections"]
        yield Advice(
            "freeze",
            f'call gc.freeze() before forking (gc="freeze" tries it): collections ({times}) wrote to {render(copied, "bytes")}',
            copied,
        )


def preload(case: Case) -> Iterator[Advice]:
    """Modules are imported in every worker."""
    for it in late(case):
        at = f" at {it.place}" if it.place else ""
        yield Advice(
            "preload",
            f"import {it.by} before forking: every worker does so{at}, {render(it.bytes, 'bytes')}",
            it.bytes,
        )


def late(case: Case) -> list[LateImport]:
    """The statements whose imports are worth a mention each."""
    return [it for it in by_statement(case.why.imports)[:_NAMES] if it.bytes >= _WORTH]


def warm_up(case: Case) -> Iterator[Advice]:
    """The first request takes more than all others, and of that lasts what no other rule names: small imports and cache entries.

    What else it takes a worker may well take again, so nothing is said of it; nor where memory came and went.
    """
    first = case.values.get("first", 0)
    rest = case.why.private - first
    named = [*caches(case), leaked_to(case)]
    imports = sum(it.bytes for it in case.why.imports) - sum(it.bytes for it in late(case))
    gain = min(
        first,
        imports
        + sum(it.bytes for it in case.why.containers if it not in named and not imported(case, it)),
    )
    if case.requests > 1 and first > rest and gain >= _WORTH and case.why.share <= _COUNTED_TWICE:
        yield Advice(
            "warm up",
            f"handle one request before forking (prepare= can): the first one takes {render(first, 'bytes')} and all others "
            f"{render(rest, 'bytes')}, and what is imported and cached on the way, up to {render(gain, 'bytes')}, would be shared",
            gain,
        )


def read_less(case: Case) -> Iterator[Advice]:
    """One line's bytes exceed all that is new or was given back, and all it imports: what is beyond can only be copies of shared pages.

    Silent where memory came and went so often that faults say nothing of what is private at the end, and where most of the copied memory
    is not objects of one module: free space that new objects fill, or data without objects.
    """
    objects, writes = case.why.objects, case.why.by_writes
    if writes is None or case.why.fresh is None or case.why.share > _COUNTED_TWICE:
        return
    new = max(case.why.fresh, sum(it.bytes for it in case.why.containers))
    inhabited = (objects.pages - sum(objects.empty.values())) * PAGE
    for line in [line for line in case.why.lines if line.path][:1]:
        copied = min(
            line.bytes - imported(case, line) - new - case.values.get("returned", 0),
            writes,
            inhabited,
        )
        if copied >= _WORTH and objects.modules and objects.modules[0].bytes > copied / 2:
            yield Advice(
                "read less",
                f"{line.place} reads or writes shared objects on about {render(copied, 'bytes')} of pages: {objects.modules[0].objects:,} "
                f"objects of {objects.modules[0].name} lie on the copied pages, and {objects.types[0].objects:,} of type "
                f"{objects.types[0].name}; touch fewer, or keep what it needs in one array",
                copied,
            )


def imported(case: Case, what: Line | Container) -> int:
    """Bytes of what a line imports, or of the import that a line's or a container's own module came with."""
    came_with = {it.by for it in case.why.imports if it.module == what.module}
    return sum(
        it.bytes
        for it in case.why.imports
        if it.by in came_with or (it.path and it.place == what.place)
    )


def share_cache(case: Case) -> Iterator[Advice]:
    """A container of a module grows in every worker."""
    for it in caches(case):
        at = f" at {it.place}" if it.place else ""
        yield Advice(
            "share cache",
            f"{it.name} grows from {it.before:,} to {it.after:,} entries in every worker{at}, and keeps {render(it.bytes, 'bytes')}: "
            "bound it, or fill it before forking",
            it.bytes,
        )


def caches(case: Case) -> list[Container]:
    """The containers that are worth a mention each."""
    leaked = leaked_to(case)
    return [
        it
        for it in case.why.containers[:_NAMES]
        if it.bytes - imported(case, it) >= _WORTH and it != leaked
    ]


def leak(case: Case) -> Iterator[Advice]:
    """Every request at steady state leaves new memory behind; copies of shared pages come to an end."""
    if leaks(case):
        growth, total, kept = (
            case.values["growth"],
            case.values["growth"] * case.requests,
            leaked_to(case),
        )
        line = max(case.why.lines, key=lambda line: line.late)
        if kept is not None:
            what = f"kept in {kept.name}, {kept.before:,} -> {kept.after:,} entries" + (
                f", filled at {kept.place}" if kept.place else ""
            )
        elif line.path and line.late > total / 2:
            what = f"most of it new at {line.place}"
        else:
            what = "where it is kept was not found"
        garbage = "" if case.collects else "; the collector is off, so it can be cyclic garbage"
        yield Advice(
            "leak", f"each request leaves {render(growth, 'bytes')} behind, {what}{garbage}", total
        )


def leaks(case: Case) -> bool:
    """Whether memory grows at steady state by more than the default tolerance of `growth`, and most of that is fresh."""
    growth = case.values.get("growth", 0)
    return growth > _GROWTH and case.warm and (case.why.fresh or 0) > growth * case.requests / 2


def leaked_to(case: Case) -> Container | None:
    """The container that keeps most of what requests leave behind."""
    total = case.values.get("growth", 0) * case.requests
    return (
        next((it for it in case.why.containers if it.bytes > total / 2), None)
        if leaks(case)
        else None
    )


def collector(case: Case) -> Iterator[Advice]:
    """The app forks with the collector off, and it came on, or collections were asked for."""
    copied = case.values.get("gc_copied", 0)
    if case.facts.gc_enabled or not (case.collects or copied >= _WORTH):
        return
    places = [it.place for it in case.why.collections[:1] if it.path]
    where = f" (most was copied at {places[0]})" if places else ""
    if case.collects:
        what = f"something turned the garbage collector on in the worker, and the app forks with it off{where}: look for gc.enable()"
    elif (
        case.values["gc_collections"] == case.values["gc_collections_2"]
    ):  # by itself it begins with the youngest generation
        what = f"gc.collect() is called in the worker, and the app forks with the garbage collector off{where}: leave the call out"
    else:
        what = f"collections ran, and the garbage collector is off at the fork and at the end{where}: look for gc.collect() and gc.enable()"
    yield Advice("collector", what, case.values.get("gc_copied"))


def threads(case: Case) -> Iterator[Advice]:
    """Threads of the master do not exist in workers."""
    if names := case.facts.threads:
        yield Advice(
            "threads",
            f"threads are alive in the master at the fork and missing in its workers ({', '.join(names[:_NAMES])}): "
            "start them in after_fork, or as the server's post_fork hook does",
            None,
        )


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
