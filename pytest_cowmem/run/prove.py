"""Prove the gate: plant a growing regression in a worker until the gate goes red. Runs in the pytest process."""

from collections.abc import Callable

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.round import Round
from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.model.record import Proof

KINDS = ("read", "allocate")
_STEPS = 16  # to one tolerance


def prove(kind: str, current: Round, private: int, judge: Callable[[int], Judgment]) -> Proof:
    """Plant regressions of one kind in the worker of `current`, whose scenario is over, until `judge` is red.

    `private` is what the unchanged test measures; `judge` takes that and what was planted on top, in bytes. Below its baseline or limit
    a test may grow by as much more.
    """
    current.plant(kind, 1)  # what planting itself takes comes before the count
    start = current.private()
    now = judge(private)
    tolerated = judge(
        max(private, now.baseline or 0)
    ).allowed  # above the baseline, which is another amount than below it
    room = min(
        (line - private for line in (now.baseline, now.budget) if line is not None), default=0
    )
    allowed = max(room, 0) + tolerated
    step = max(1, allowed // _STEPS // PAGE)
    planted = 0
    while planted <= 2 * allowed:
        could = current.plant(kind, step)
        planted = current.private() - start
        if judge(private + planted).verdict in (Verdict.REGRESSED, Verdict.OVER):
            return Proof(kind, allowed, planted, caught=True)
        if could < step:
            break
    return Proof(kind, allowed, planted, caught=False)
