"""What became of the tests, as their reports tell. Runs in the pytest process.

What is to be known of a test is put on pytest's reports, which xdist carries to its controller.
"""

from dataclasses import dataclass, field, replace

import pytest

from pytest_cowmem.model.document import Failure
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.junit import properties
from pytest_cowmem.run.items import has_budget, id_of, place_of
from pytest_cowmem.run.measured import LEFT, RECORD, SCENARIO

_RERUN = "rerun"  # the outcome that pytest-rerunfailures gives an attempt that is not the last
_EARLIER = "an earlier attempt of this test was red"


@dataclass
class Outcomes:
    """What was measured, by test, and what is to be known of the tests besides.

    A test that is run again counts as its last attempt. `unfit` names the tests that failed after
    they were measured. `idle` names those that passed and asked for no worker. `unmeasured` says
    how tests came to be neither measured nor failed. `red` names those of which an attempt failed.
    `failures` has the tests that failed.
    """

    records: dict[str, Record] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    unmeasured: dict[str, str] = field(default_factory=dict)
    red: set[str] = field(default_factory=set)
    failures: dict[str, Failure] = field(default_factory=dict)

    def take(self, report: pytest.TestReport) -> None:
        """Learn of a test from one of its reports."""
        carried = vars(report)
        if "cowmem_test" not in carried:  # xdist makes a report of its own where a worker crashes
            self._note_failure(report.nodeid, report)
            return
        test = carried["cowmem_test"]
        if report.when == "setup":
            self._forget(test)
        if "cowmem" in carried:
            record = Record.from_dict(carried["cowmem"])
            notes = (*record.notes, _EARLIER) if test in self.red else record.notes
            self.records[test] = replace(record, notes=notes)
        if carried["cowmem_idle"]:
            self.idle.add(test)
        if carried["cowmem_unmeasured"]:
            self.unmeasured[test] = carried["cowmem_unmeasured"]
        self._note_failure(test, report)
        if report.failed or report.outcome == _RERUN:
            self.red.add(test)
            if report.when == "teardown":
                self.unfit.add(test)

    def _note_failure(self, test: str, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures[test] = Failure(test, reason(report), place_of(report.location))

    def _forget(self, test: str) -> None:
        """Forget the attempt before, but for whether it was red."""
        self.records.pop(test, None)
        self.unmeasured.pop(test, None)
        self.unfit.discard(test)
        self.idle.discard(test)
        self.failures.pop(test, None)


def reason(report: pytest.TestReport) -> str:
    """Why a test failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", report.longrepr)).strip()
    return text.partition("\n")[0]


def put_on(report: pytest.TestReport, item: pytest.Item) -> None:
    """Have a report carry the test's id, its record, and how it came to have none.

    pytest makes a JUnit testcase of its last report, or of a failed call before that.
    """
    carried, called, worker = vars(report), report.when == "call", SCENARIO in item.stash
    carried["cowmem_test"] = id_of(item)
    carried["cowmem_idle"] = called and report.passed and not worker
    carried["cowmem_unmeasured"] = ""
    if called and RECORD in item.stash:
        carried["cowmem"] = item.stash[RECORD].to_dict()
    elif called and (worker or has_budget(item)) and not report.failed:
        failed = "failed, as its xfail mark expects" if report.skipped else ""
        carried["cowmem_unmeasured"] = item.stash[LEFT] or failed
    if RECORD in item.stash:
        report.user_properties += properties(item.stash[RECORD])
