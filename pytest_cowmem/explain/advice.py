"""What to do about private memory: named rules, each on a figure that was measured. Runs in the pytest process; no I/O."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_cowmem.explain.explanation import Advice, Explanation
from pytest_cowmem.units import render

_WORTH = 128 * 1024  # bytes a rule is worth mentioning for: twice the default tolerance of `private`
_NAMES = 3


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
    """What all rules say, the largest gain first."""
    found = [advice for rule in RULES for advice in rule(case)]
    return tuple(sorted(found, key=lambda advice: -(advice.gain or 0)))


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
            yield Advice("preload", f"import {module} before forking: {path}:{line} does so in every worker, {render(size, 'bytes')}", size)


def warm_up(case: Case) -> Iterator[Advice]:
    """The first request takes more than all others together."""
    first, private = case.values.get("first", 0), case.why.private
    if case.requests > 1 and first >= _WORTH and first > private - first:
        yield Advice(
            "warm up",
            f"handle one request before forking (prepare= can): the first alone took {render(first, 'bytes')} "
            f"of the {render(private, 'bytes')}",
            first,
        )


def read_less(case: Case) -> Iterator[Advice]:
    """One line's bytes exceed all that is fresh: what is beyond can only be copies of shared pages."""
    fresh, modules, types = case.why.fresh, case.why.objects.modules, case.why.objects.types
    for line in case.why.lines[:1]:
        if fresh is not None and line.path and line.bytes - fresh >= _WORTH and modules and types:
            yield Advice(
                "read less",
                f"{line.place} reads or writes shared objects on {render(line.bytes, 'bytes')} of pages: {modules[0].objects:,} objects of "
                f"{modules[0].name} lie on the copied ones, {types[0].objects:,} are of type {types[0].name}; touch fewer, "
                "or keep what it needs in one array",
                line.bytes,
            )


def share_cache(case: Case) -> Iterator[Advice]:
    """A container of a module grows in every worker."""
    for it in case.why.containers[:_NAMES]:
        if it.bytes >= _WORTH:
            yield Advice(
                "share cache",
                f"{it.name} grows from {it.before:,} to {it.after:,} entries in every worker, {render(it.bytes, 'bytes')} of them on fresh "
                "pages: bound it, or fill it before forking",
                it.bytes,
            )


def leak(case: Case) -> Iterator[Advice]:
    """Every request at steady state leaves something behind."""
    growth = case.values.get("growth", 0)
    if growth > 64 and case.warm:  # the default tolerance of `growth`, in bytes
        line = max(case.why.lines, key=lambda line: line.late, default=None)
        total = sum(line.late for line in case.why.lines)
        at = f", {line.late / total:.0%} of it at {line.place}" if line is not None and line.late > total / 2 else ", at no single line"
        yield Advice("leak", f"each request leaves {render(growth, 'bytes')} behind{at}", growth * case.requests)


def collector(case: Case) -> Iterator[Advice]:
    """The app forks with the collector off, and it came on."""
    if not case.facts["gc_enabled"] and (case.collects or case.values.get("gc_collections", 0)):
        at = case.why.collections[0] if case.why.collections else None
        where = f", the most costly at {at.path}:{at.line}" if at else ""
        yield Advice(
            "collector",
            f"something turned the garbage collector on in the worker, though the app forks with it off{where}: look for gc.enable()",
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


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (freeze, preload, warm_up, read_less, share_cache, leak, collector, threads)
