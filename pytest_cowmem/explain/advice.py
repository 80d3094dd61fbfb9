"""What to do about private memory: named rules, each on a figure that was measured. Runs in the pytest process; no I/O."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_cowmem.explain.explanation import Advice, Container, Explanation
from pytest_cowmem.units import render

_WORTH = 128 * 1024  # bytes a rule is worth mentioning for: twice the default tolerance of `private`
_GROWTH = 64  # bytes a request: the default tolerance of `growth`
_NAMES = 3
_COUNTED_TWICE = 1.1  # a share of `private` that cannot be all of it


@dataclass(frozen=True)
class Case:
    """What the rules look at: an explanation, the measured values by metric, the requests made, and the zygote's facts.

    `policy` is the app's `gc`, `collects` whether the worker's collector was on at its end, `warm` whether warming up was told apart.
    """

    why: Explanation
    values: Mapping[str, int]
    requests: int
    policy: str
    facts: Mapping[str, Any]
    collects: bool
    warm: bool


def advise(case: Case) -> tuple[Advice, ...]:
    """What all rules say, the surest first."""
    return tuple(advice for rule in RULES for advice in rule(case))


def freeze(case: Case) -> Iterator[Advice]:
    """Collections copied much, and the app does not freeze what it preloads."""
    copied = case.values.get("gc_copied", 0)
    if copied >= _WORTH and case.policy != "freeze":
        times = case.values["gc_collections"]
        yield Advice(
            "freeze",
            f'call gc.freeze() before forking (gc="freeze" tries it): collections ({times}) wrote to {render(copied, "bytes")}',
            copied,
        )


def preload(case: Case) -> Iterator[Advice]:
    """Modules are imported in every worker."""
    sums: dict[tuple[str, str, int], int] = defaultdict(int)
    for it in case.why.imports:
        sums[it.by, it.path, it.line] += it.bytes
    for (module, path, line), size in sorted(sums.items(), key=lambda it: -it[1])[:_NAMES]:
        if size >= _WORTH:
            at = f" at {path}:{line}" if path else ""
            yield Advice("preload", f"import {module} before forking: every worker does so{at}, {render(size, 'bytes')}", size)


def warm_up(case: Case) -> Iterator[Advice]:
    """The first request takes more than all others together, what reading and collecting copies in each worker anew left aside."""
    again = sum(it.gain or 0 for it in read_less(case)) + case.values.get("gc_copied", 0)
    first, rest = case.values.get("first", 0) - again, case.why.private - case.values.get("first", 0)
    if case.requests > 1 and first >= _WORTH and first > rest:
        yield Advice(
            "warm up",
            f"handle one request before forking (prepare= can), as far as what the first one does then lasts: it alone took up to "
            f"{render(first, 'bytes')}",
            first,
        )


def read_less(case: Case) -> Iterator[Advice]:
    """One line's bytes exceed all that is fresh or was given back, and all it imports: what is beyond can only be copies of shared pages.

    Silent where memory came and went so often that faults say nothing of what is private at the end.
    """
    modules, types, writes = case.why.objects.modules, case.why.objects.types, case.why.by_writes
    if writes is None or case.why.fresh is None or case.why.share > _COUNTED_TWICE:
        return
    for line in [line for line in case.why.lines if line.path][:1]:
        imported = sum(it.bytes for it in case.why.imports if (it.path, it.line) == (line.path, line.line))
        copied = min(line.bytes - imported - case.why.fresh - case.values.get("returned", 0), writes)
        if copied >= _WORTH and modules and types:
            yield Advice(
                "read less",
                f"{line.place} reads or writes shared objects on about {render(copied, 'bytes')} of pages: {modules[0].objects:,} "
                f"objects of {modules[0].name} lie on the copied pages, and {types[0].objects:,} of type {types[0].name}; touch fewer, "
                "or keep what it needs in one array",
                copied,
            )


def share_cache(case: Case) -> Iterator[Advice]:
    """A container of a module grows in every worker."""
    for it in case.why.containers[:_NAMES]:
        if it.bytes >= _WORTH and it != leaked_to(case):
            at = f" at {it.place}" if it.place else ""
            yield Advice(
                "share cache",
                f"{it.name} grows from {it.before:,} to {it.after:,} entries in every worker{at}, and keeps {render(it.bytes, 'bytes')}: "
                "bound it, or fill it before forking",
                it.bytes,
            )


def leak(case: Case) -> Iterator[Advice]:
    """Every request at steady state leaves new memory behind; copies of shared pages come to an end."""
    if leaks(case):
        growth, total, kept = case.values["growth"], case.values["growth"] * case.requests, leaked_to(case)
        line = max(case.why.lines, key=lambda line: line.late)
        if kept is not None:
            what = f"kept in {kept.name}, {kept.before:,} -> {kept.after:,} entries" + (f", filled at {kept.place}" if kept.place else "")
        elif line.path and line.late > total / 2:
            what = f"most of it new at {line.place}"
        else:
            what = "where it is kept was not found"
        garbage = "" if case.collects else "; the collector is off, so it can be cyclic garbage"
        yield Advice("leak", f"each request leaves {render(growth, 'bytes')} behind, {what}{garbage}", total)


def leaks(case: Case) -> bool:
    """Whether memory grows at steady state by more than the default tolerance of `growth`, and most of that is fresh."""
    growth = case.values.get("growth", 0)
    return growth > _GROWTH and case.warm and (case.why.fresh or 0) > growth * case.requests / 2


def leaked_to(case: Case) -> Container | None:
    """The container that keeps most of what requests leave behind."""
    total = case.values.get("growth", 0) * case.requests
    return next((it for it in case.why.containers if it.bytes > total / 2), None) if leaks(case) else None


def collector(case: Case) -> Iterator[Advice]:
    """The app forks with the collector off, and it came on."""
    if not case.facts["gc_enabled"] and (case.collects or case.values.get("gc_collections", 0)):
        at = case.why.collections[0] if case.why.collections else None
        where = f" (most was copied at {at.place})" if at else ""
        yield Advice(
            "collector",
            f"something turned the garbage collector on in the worker, and the app forks with it off{where}: look for gc.enable()",
            case.values.get("gc_copied"),
        )


def threads(case: Case) -> Iterator[Advice]:
    """Threads of the master do not exist in workers."""
    if names := case.facts["threads"]:
        yield Advice(
            "threads",
            f"threads are alive in the master at the fork and missing in its workers ({', '.join(names[:_NAMES])}): "
            "start them in after_fork, or as the server's post_fork hook does",
            None,
        )


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (leak, share_cache, preload, read_less, freeze, collector, warm_up, threads)
