"""A test's figures as properties of its testcase in a JUnit file. Runs in the pytest process.

pytest's own --junitxml writes them, under pytest-xdist too: reports carry them.
"""

from collections.abc import Iterator

from pytest_cowmem.model.record import Record
from pytest_cowmem.report.view import in_table


def properties(record: Record) -> Iterator[tuple[str, object]]:
    """Names and values: amounts are in bytes, nanoseconds or a count, as the metric is."""
    yield "cowmem_verdict", record.verdict.value
    for judgment in in_table(record):
        amounts = {
            "": judgment.measured,
            "_baseline": judgment.baseline,
            "_budget": judgment.budget,
        }
        for suffix, amount in amounts.items():
            if amount is not None:
                yield f"cowmem_{judgment.metric}{suffix}", amount
