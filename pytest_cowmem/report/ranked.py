"""The lines and collections of an explanation, what is red first. Runs in the pytest process."""

from pytest_cowmem.model.explanation import Collections, Explanation, Line
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment, Verdict


def red_metrics(record: Record) -> set[str]:
    """The metrics that are too high. A noisy one is where its mean is."""
    return {judgment.metric for judgment in record.judgments if _is_too_high(judgment)}


def _is_too_high(judgment: Judgment) -> bool:
    if judgment.verdict is Verdict.NOISY:
        return (judgment.difference or 0) > judgment.allowed
    return judgment.verdict in TOO_HIGH


def all_of_collections(red: set[str]) -> bool:
    """Whether there are red metrics, and each is of collections."""
    return bool(red) and all(metric.startswith("gc_") for metric in red)


def ranked(explanation: Explanation, red: set[str]) -> list[Line | Collections]:
    """The lines and collections that made bytes private, most first.

    Collections come before lines where all red metrics are of collections, and those of a red
    generation come first.
    """
    both: list[Line | Collections] = [*explanation.lines, *explanation.collections]
    both.sort(key=lambda part: -part.bytes)
    if not all_of_collections(red):
        return [part for part in both if part.bytes]
    both.sort(key=lambda part: _distance(part, red))
    # After a freeze a collection too many may have copied nothing.
    return [part for part in both if part.bytes or _distance(part, red) == 0]


def _distance(part: Line | Collections, red: set[str]) -> int:
    """How far a line or collection is from red metrics that are all of collections."""
    if isinstance(part, Line):
        return 2
    return 0 if f"gc_collections_{part.generation}" in red else 1
