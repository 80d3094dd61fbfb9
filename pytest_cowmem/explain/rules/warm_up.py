"""The first request takes more than all others. Runs in the pytest process; no I/O."""

from collections.abc import Iterator

from pytest_cowmem.explain.case import WORTH, Case, Proposal
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.units import render


def warm_up(case: Case) -> Iterator[Proposal]:
    """One request before forking may win that back, and whether it does takes a try.

    Where something grew since the baseline, it has to win back half of that.
    """
    first = case.value("first")
    others = case.why.private - first
    if case.requests >= 2 and first >= WORTH and first > others:
        yield Proposal(
            "warm up",
            "handle one request before forking (prepare= can): the first one takes "
            f"{render(first, 'bytes')} and all others {render(others, 'bytes')}",
            policy=Policy(requests=1),
            least=sum(case.grown.values()) // 2,
            sure=False,
        )
