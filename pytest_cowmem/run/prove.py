"""Prove the gate: plant a growing regression until it goes red. Runs in the pytest process."""

from collections.abc import Callable

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.record import Proof
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment

KEEP = "keep"
KINDS = ("read", "allocate", KEEP)
_STEPS = 16  # to one tolerance
_STEPS_KEPT = 64  # to what is kept already, of which free memory can take megabytes


def prove(kind: str, current: Round, private: int, judge: Callable[[int], Judgment]) -> Proof:
    """Plant regressions of one kind in a worker until `judge` is red.

    The scenario of `current` is over. `private` is what the unchanged test measures, in bytes.
    `judge` judges that and what was planted on top.
    """
    current.plant(kind, 1)  # what planting itself takes comes before the count
    start = current.private()
    allowed = _allowed(private, judge)
    step = max(1, allowed // _STEPS // PAGE)
    planted = grown = 0
    caught = False
    while grown <= 2 * allowed and not caught:
        could = current.plant(kind, step)
        planted += could * PAGE
        grown = current.private() - start
        caught = judge(private + grown).verdict in TOO_HIGH
        if could < step:
            break
        if kind == KEEP:
            step = max(step, planted // _STEPS_KEPT // PAGE)
    return Proof(kind, allowed, planted if kind == KEEP else grown, grown, caught)


def _allowed(private: int, judge: Callable[[int], Judgment]) -> int:
    """The bytes by which a test may grow.

    A test below its baseline or its limit may grow up to that as well.
    """
    now = judge(private)
    # Judged at the baseline or above: the tolerance below it is another one.
    tolerated = judge(max(private, now.baseline or 0)).allowed
    room = [line - private for line in (now.baseline, now.budget) if line is not None]
    return max(min(room, default=0), 0) + tolerated
