"""What to do about private memory: named rules, each on a figure that was measured.

Runs in the pytest process; no I/O. A rule is a function of a `Case` that yields proposals; it stays
silent where the figures do not show what it is about. The rules on what is kept are here, and
explain/rules/ has the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from pytest_cowmem.explain.case import MOST_NAMES, WORTH, Case, Proposal, at
from pytest_cowmem.explain.rules import collecting, imports
from pytest_cowmem.explain.rules.read_less import read_less
from pytest_cowmem.explain.rules.warm_up import warm_up
from pytest_cowmem.model.explanation import Container
from pytest_cowmem.model.metrics import GROWTH, OF_GROWTH
from pytest_cowmem.model.policy import ALL, Policy
from pytest_cowmem.model.units import render

# Memory of C code is in what a request leaves behind, and not in what is known of a container.
_KEEPS_MUCH = 4
_EXACT = 100  # entries a request, from which on fractions say nothing


def proposals(case: Case) -> list[Proposal]:
    """What all rules say, the surest first. What is about a module that grew comes before that.

    Where nothing but `growth` is red, it is what they say of the leak.
    """
    said = [_as_it_can_be_tried(proposal, case) for rule in RULES for proposal in rule(case)]
    said = [one for one in said if one.sure or one.policy]
    if case.accepted.red == {GROWTH}:
        said = [one for one in said if "leak" in (one.rule, one.instead)] or said
    return sorted(said, key=lambda proposal: proposal.about not in case.grown)


def _as_it_can_be_tried(proposal: Proposal, case: Case) -> Proposal:
    """A proposal without a policy that cannot be tried: no master serves an ASGI app's requests.

    It would need an event loop, and the app's startup.
    """
    if proposal.policy and proposal.policy.requests and case.facts.interface == "asgi":
        return replace(proposal, policy=None, beyond=None)
    return proposal


def leak(case: Case) -> Iterator[Proposal]:
    """Every request at steady state leaves memory behind."""
    if not leaks(case):
        return
    growth = render(case.value("growth"), "bytes")
    text = f"each request leaves {growth} behind, {_where_it_is_left(case)}"
    yield Proposal("leak", text, _kept_by(case))


def leaks(case: Case) -> bool:
    """Whether more stays in use a request than the default tolerance."""
    return case.warm and case.value("growth") > OF_GROWTH.absolute


def _where_it_is_left(case: Case) -> str:
    if containers := leaked_to(case):
        return _kept_in(containers, case.value("growth"))
    kinds = [f"{kind} {_number(more)}" for kind, more in case.why.more[:MOST_NAMES]]
    if kinds:
        return f"where it is kept was not found; objects more after each: {', '.join(kinds)}"
    line = max(case.why.lines, key=lambda line: line.late, default=None)
    if line is not None and line.path and line.late > case.left_behind / 2:
        return f"most of it new at {line.place}"
    return "where it is kept was not found"


def leaked_to(case: Case) -> list[Container]:
    """The containers that grow with requests, the one first that keeps most of what they leave."""
    if not leaks(case):
        return []
    growing = [container for container in case.why.containers if container.a_request]
    return sorted(growing, key=lambda container: -container.bytes_a_request)


def _kept_by(case: Case) -> str:
    """The module of the container that keeps it, "" where that is unknown."""
    containers = leaked_to(case)
    return containers[0].module if containers else ""


def _kept_in(containers: list[Container], growth: int) -> str:
    """The first container, and how much of the growth all keep where that is little of it."""
    container, *others = containers
    unit = "entry" if (container.a_request, container.unit) == (1, "entries") else container.unit
    filled = f", filled at {container.place}" if container.place else ""
    kept = f"kept in {container.name}, {_number(container.a_request)} {unit} a request{filled}"
    if others:
        kept += f", and in {len(others)} more {'container' if len(others) == 1 else 'containers'}"
    if container.after < container.bound:
        kept += f"; it seems bounded at {container.bound:,} entries: make more requests than that"
    size = sum(it.bytes_a_request for it in containers)
    if size * _KEEPS_MUCH >= growth:
        return kept
    part = render(size, "bytes")
    return f"{part} of it {kept}; where the rest is kept was not found"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= _EXACT else f"{amount:g}"


def share_cache(case: Case) -> Iterator[Proposal]:
    """Containers of modules grow in every worker.

    One that a leak fills is among them for as long as the replay does not tell: what is filled
    before the fork is filled again where it leaks.
    """
    if kept := caches(case):
        said = "; ".join(_grows(cache) for cache in kept)
        them = "it" if len(kept) == 1 else "them"
        yield Proposal(
            "share cache",
            f"{said}: bound {them}, or fill {them} before forking",
            kept[0].module,
            _WHOLE,
            _TRYING,
            keeps=sum(cache.bytes for cache in kept),
            beyond=_ONE if any(_grows_with_each(cache, case) for cache in kept) else None,
            subjects=tuple(cache.name for cache in kept),
            little=f"{said}: bound {them}; tried: to fill {them} before forking",
        )
    if containers := leaked_to(case):
        leaked = containers[0]
        yield Proposal(
            "share cache",
            f"{_grows(leaked)}: bound it, or fill it before forking",
            leaked.module,
            _WHOLE,
            _TRYING,
            least=leaked.bytes // 2,
            keeps=sum(container.bytes for container in containers),
            sure=False,
            instead="leak",
        )


_ONE, _WHOLE = Policy(requests=1), Policy(requests=ALL)
_TRYING = "tried, with the whole test before the fork"


def _grows_with_each(cache: Container, case: Case) -> bool:
    """Whether it may grow by an entry a request: then what fills it before the fork is no gain.

    There were too few requests for `growth` to tell.
    """
    return 2 <= case.requests == cache.after - cache.before


def _grows(cache: Container) -> str:
    return (
        f"{cache.name} grows from {_entries(cache, 'to')} entries in every worker{at(cache)}, "
        f"and keeps {render(cache.bytes, 'bytes')}"
    )


def caches(case: Case) -> list[Container]:
    """The containers that are worth a mention each: neither a leak nor part of a late import."""
    return [
        container
        for container in case.why.containers[:MOST_NAMES]
        if not container.a_request and container.bytes - case.imported(container) >= WORTH
    ]


def threads(case: Case) -> Iterator[Proposal]:
    """Threads of the master do not exist in workers."""
    if names := case.facts.threads:
        text = (
            "threads are alive in the master at the fork and missing in its workers "
            f"({', '.join(names[:MOST_NAMES])}): "
            "start them in after_fork, or as the server's post_fork hook does"
        )
        yield Proposal("threads", text)


def _entries(container: Container, between: str) -> str:
    return f"{container.before:,} {between} {container.after:,}"


RULES: tuple[Callable[[Case], Iterator[Proposal]], ...] = (
    leak,
    imports.preload,
    imports.compile_first,
    share_cache,
    collecting.leave_out,
    read_less,
    collecting.freeze,
    collecting.turned_on,
    warm_up,
    threads,
)
