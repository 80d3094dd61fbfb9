"""Which red tests are traced, and which refer to another's explanation. In the pytest process.

A traced round takes much longer than a measured one. One cause often makes many tests red. A test's
body can be run only while its fixtures are there, so that what comes later cannot be waited for.
"""

from dataclasses import replace

from pytest_cowmem.judge.alike import alike
from pytest_cowmem.model.app import App
from pytest_cowmem.model.cause import Shared
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.causes import causes, first_cause

MOST = 5  # red tests that are traced, whatever they grew by
_MORE = 5  # further ones, which grew by more than all before


class Causes:
    """The red tests that this process has traced, each with its app."""

    def __init__(self) -> None:
        self._traced: list[tuple[App, Record]] = []
        self._grown: list[int] = []  # by how much, also of those that were forgotten

    def untraced(self, app: App, record: Record) -> Record | None:
        """A red test's record with the reason not to trace it; None where it is to be traced."""
        for other in self._of(app):
            if other.explanation and alike(record, other):
                return replace(record, shared=Shared(other.test, first_cause(other)))
        count = len(self._grown)
        more = record.grown > max(self._grown, default=0) and count < MOST + _MORE
        return None if count < MOST or more else replace(record, left_out=count)

    def traced(self, app: App, record: Record) -> Record:
        """Keep a red test that was traced; its record, with the test that has the same cause."""
        self._grown.append(record.grown)
        kept = self._shared(app, record)
        self._traced.append((app, kept))
        return kept

    def _shared(self, app: App, record: Record) -> Record:
        first, own = first_cause(record), causes(record)
        for other in self._of(app):
            there = first_cause(other)
            if first and there and first.key == there.key:
                known = {cause.key for cause in causes(other)}
                besides = tuple(
                    cause
                    for cause in own
                    if cause.key not in known and not (cause.place and cause.place == first.place)
                )
                return replace(record, shared=Shared(other.test, first, besides))
        return record

    def _of(self, app: App) -> list[Record]:
        return [record for master, record in self._traced if master == app]

    def forget(self, test: str) -> None:
        """Let no test refer to this one: its text is not shown."""
        self._traced = [(app, record) for app, record in self._traced if record.test != test]
