"""What became of the tests, as their reports tell. Runs in the pytest process.

What is to be known of a test is put on pytest's reports, which xdist carries to its controller.
"""

from dataclasses import dataclass, field

import pytest

from pytest_cowmem.model.record import Record
from pytest_cowmem.run.items import id_of
from pytest_cowmem.run.measured import RECORD, SCENARIO


@dataclass
class Outcomes:
    """What was measured, by test, and what is to be known of the tests besides.

    `unfit` names the tests that failed after they were measured. `idle` names those that passed and
    asked for no worker.
    """

    records: dict[str, Record] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)

    def take(self, report: pytest.TestReport) -> None:
        """Learn of a test from one of its reports."""
        carried = vars(report)
        if "cowmem_test" not in carried:  # xdist makes a report of its own where a worker crashes
            return
        test = carried["cowmem_test"]
        if "cowmem" in carried:
            self.records[test] = Record.from_dict(carried["cowmem"])
        if carried["cowmem_idle"]:
            self.idle.add(test)
        if report.when == "teardown" and report.failed:
            self.unfit.add(test)


def put_on(report: pytest.TestReport, item: pytest.Item) -> None:
    """Have a report carry the test's id, its record, and whether it passed without a worker."""
    carried, called = vars(report), report.when == "call"
    carried["cowmem_test"] = id_of(item)
    carried["cowmem_idle"] = called and report.passed and SCENARIO not in item.stash
    if called and RECORD in item.stash:
        carried["cowmem"] = item.stash[RECORD].to_dict()
