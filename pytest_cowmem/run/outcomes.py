"""What became of the tests, as their reports tell. Runs in the pytest process.

What is to be known of a test is put on pytest's reports, which xdist carries to its controller.
"""

from dataclasses import dataclass, field, replace

import pytest

from pytest_cowmem.model.document import Failure
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.failure import sentences
from pytest_cowmem.report.junit import properties
from pytest_cowmem.run.items import has_budget, id_of, place_of
from pytest_cowmem.run.measured import LEFT, RECORD, SCENARIO

_RERUN = "rerun"  # the outcome that pytest-rerunfailures gives an attempt that is not the last
_PHASES = ("setup", "call", "teardown")
_EARLIER = "an earlier attempt of this test was red"


@dataclass(frozen=True)
class _Attempt:
    """What one attempt of a test came to; `unfit` says that it failed after it was measured.

    `idle` says that it passed and asked for no worker. `unmeasured` says how it came to be neither
    measured nor failed, and `failure` how it failed.
    """

    record: Record | None = None
    unfit: bool = False
    idle: bool = False
    unmeasured: str = ""
    failure: Failure | None = None


@dataclass
class Outcomes:
    """What became of the tests, by the xdist worker that ran them, and by test.

    A test that is run again counts as its last attempt. Where every worker of pytest-xdist runs all
    tests (`--dist each`), a test has an attempt in each. `places` has the `path:line` of each that
    began, which the report of one whose process died lacks. `red` has those of which an attempt
    failed. `ended` names the tests that ran to their end. `crashed` says that a test's process did
    not live that long.
    """

    attempts: dict[tuple[str, str], _Attempt] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    red: set[tuple[str, str]] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    crashed: bool = False

    def begin(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Learn where a test is that begins."""
        self.places[nodeid] = place_of(location)

    def take(self, report: pytest.TestReport) -> None:
        """Learn of a test from one of its reports."""
        carried = vars(report)
        test = carried.get("cowmem_test", report.nodeid)
        key = (carried.get("worker_id", ""), test)
        if report.when == "setup":
            self.attempts[key] = _Attempt()
        attempt = self.attempts.setdefault(key, _Attempt())
        if "cowmem" in carried:
            record = Record.from_dict(carried["cowmem"])
            notes = (*record.notes, _EARLIER) if key in self.red else record.notes
            attempt = replace(attempt, record=replace(record, notes=notes))
        if report.failed:
            place = self.places.get(report.nodeid, place_of(report.location))
            failure = Failure(test, reason(report), place)
            attempt = replace(attempt, failure=failure, unfit=report.when == "teardown")
        if report.failed or report.outcome == _RERUN:
            self.red.add(key)
        self.attempts[key] = replace(
            attempt,
            idle=attempt.idle or carried.get("cowmem_idle", False),
            unmeasured=carried.get("cowmem_unmeasured") or attempt.unmeasured,
        )
        if report.when == "teardown":
            self.ended.add(test)
        elif report.when not in _PHASES:  # pytest-xdist's own, of a test whose process died
            self.crashed = True

    @property
    def records(self) -> list[Record]:
        """What was measured: one record of a test in each profile, one that failed if any did."""
        found: dict[tuple[str, str], Record] = {}
        for attempt in self.attempts.values():
            if record := attempt.record:
                first = found.setdefault((record.test, record.profile), record)
                if record.failed and not first.failed:
                    found[record.test, record.profile] = record
        return [*found.values()]

    @property
    def unfit(self) -> set[str]:
        """The tests that failed after they were measured."""
        return {test for (_, test), attempt in self.attempts.items() if attempt.unfit}

    @property
    def idle(self) -> set[str]:
        """The tests that passed and asked for no worker."""
        return {test for (_, test), attempt in self.attempts.items() if attempt.idle}

    @property
    def unmeasured(self) -> dict[str, str]:
        """How tests came to be neither measured nor failed."""
        told = self.attempts.items()
        return {test: attempt.unmeasured for (_, test), attempt in told if attempt.unmeasured}

    @property
    def failures(self) -> dict[str, Failure]:
        """How tests failed."""
        told = self.attempts.items()
        return {test: attempt.failure for (_, test), attempt in told if attempt.failure}


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


def shorten(report: pytest.TestReport, item: pytest.Item) -> None:
    """Have pytest's own summary say what is wrong in one line, and not the failure a second time.

    In CI, and with -vv, pytest prints all of `reprcrash.message` there.
    """
    record, crash = item.stash.get(RECORD, None), getattr(report.longrepr, "reprcrash", None)
    if report.when == "call" and report.failed and record and record.failed and crash:
        crash.message = f"Failed: {sentences(record)[0]}"
