"""Garbage collections write to shared objects. Runs in the pytest process; no I/O."""

from collections.abc import Iterator

from pytest_cowmem.explain.case import MOST_NAMES, WORTH, Case, Proposal
from pytest_cowmem.model.explanation import COLLECTIONS, Collections
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.units import listed, render

# CPython 3.12 starts with 375 frozen objects, and gc.freeze() takes many thousands in any app.
_FROZEN_FROM_START = 1_000


def leave_out(case: Case) -> Iterator[Proposal]:
    """Code asks for collections, and they copied much or are what is red."""
    called = [part for part in case.why.collections if part.called]
    size = sum(part.bytes for part in called)
    red = any(metric.startswith("gc_") for metric in case.accepted.red)
    if called and (size >= WORTH or red):
        times = sum(part.times for part in called)
        places = list(dict.fromkeys(map(_place, called)))[:MOST_NAMES]
        collections = "1 collection" if times == 1 else f"{times:,} collections"
        yield Proposal(
            "collect",
            f"gc.collect() is called {listed(places)}, and wrote to {render(size, 'bytes')} in "
            f"{collections}: leave the call out",
            COLLECTIONS,
        )


def _place(part: Collections) -> str:
    """Where it is called: the interpreter's own runner is all that cow_worker.call() leaves."""
    if part.path:
        return f"at {part.place}"
    return "by the test itself" if part.module == "runpy" else f"in {part.module}"


def freeze(case: Case) -> Iterator[Proposal]:
    """Collections that came by themselves copied much, and nothing was frozen."""
    due = [part for part in case.why.collections if not part.called]
    copied = sum(part.bytes for part in due)
    if copied >= WORTH and case.facts.gc_frozen < _FROZEN_FROM_START:
        yield Proposal(
            "freeze",
            'call gc.freeze() before forking (gc="freeze" does so here): '
            f"collections ({sum(part.times for part in due):,}) wrote to {render(copied, 'bytes')}",
            COLLECTIONS,
            Policy(freeze=True),
        )


def turned_on(case: Case) -> Iterator[Proposal]:
    """The app forks with the collector off, and it came on."""
    due = sum(part.bytes for part in case.why.collections if not part.called)
    if case.facts.gc_enabled or not (case.collects or due >= WORTH):
        return
    who, mend = "something", "look for gc.enable()"
    if case.turned_on:
        who, mend = case.turned_on, "leave that out, or call gc.disable() after it"
    yield Proposal(
        "collector",
        f"{who} turns the garbage collector on in the worker (gc.enable()), and the app forks with "
        f"it off: {mend}",
        COLLECTIONS,
    )
