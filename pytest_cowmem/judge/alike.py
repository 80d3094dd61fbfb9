"""Whether two red tests grew alike. Pure. Runs in the pytest process."""

from pytest_cowmem.model.metrics import GROWTH
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment

_SHARE = 8  # a small growth is as large as its tolerance: two may be an eighth apart at most


def alike(one: Record, other: Record) -> bool:
    """Whether the same metrics are red in two tests, each by the same difference.

    Growth per request has to differ from the baseline alike too, red or not. Without a baseline
    nobody knows what a test grew by, so it is like no other.
    """
    red = _red(one)
    if not red or red.keys() != _red(other).keys():
        return False
    return all(_near(one.judgment(name), other.judgment(name)) for name in {*red, GROWTH})


def _red(record: Record) -> dict[str, Judgment]:
    return {it.metric: it for it in record.judgments if it.verdict in TOO_HIGH}


def _near(one: Judgment | None, other: Judgment | None) -> bool:
    """Whether two judgments of a metric, or of none, have the same difference."""
    if one is None or other is None:
        return one is other
    if one.difference is None or other.difference is None:
        return False
    apart = abs(one.difference - other.difference)
    allowed = min(one.allowed, other.allowed)
    if one.verdict in TOO_HIGH:
        allowed = min(allowed, one.difference // _SHARE, other.difference // _SHARE)
    return apart <= allowed
