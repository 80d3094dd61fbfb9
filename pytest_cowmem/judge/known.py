"""What is known of a test beside a baseline: a run's record, or another baseline's entry. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Baseline, Conditions, Entry, Environment
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import CHILDREN, Tolerance
from pytest_cowmem.model.record import Record

Tests = Mapping[str, "Known"]


@dataclass(frozen=True)
class Known:
    """One test as it was measured, or accepted: its figures, and what they are held to.

    `entry` is what a baseline would have of it. `limits` are its budget's, and `tolerances` those
    of its gated metrics: a baseline keeps neither, and has the defaults.
    """

    measured: Measurement | Entry
    entry: Entry
    environment: Environment
    tolerances: Mapping[str, Tolerance]
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_record(cls, record: Record) -> "Known":
        """What a run measured."""
        limits = {it.metric: it.budget for it in record.judgments if it.budget is not None}
        measured, environment = record.measurement, record.environment
        return cls(measured, record.entry, environment, record.tolerances, limits)

    @classmethod
    def of_entry(cls, entry: Entry, environment: Environment) -> "Known":
        """What a baseline has."""
        tolerances = gated({}, Budget(), tree=CHILDREN in entry.metrics)
        return cls(entry, entry, environment, tolerances)

    def gate(
        self,
        profile: str,
        accepted: Entry | None,
        recorded: Environment,
        former: str | None = None,
    ) -> Gate:
        """What the test is held to where a baseline has `accepted`, written where `recorded` says.

        `former` is its id there, where it was renamed.
        """
        entry = self.entry
        conditions = Conditions(profile, self.environment, entry.source, entry.gc, entry.layout)
        return Gate(conditions, Budget(self.limits), self.tolerances, accepted, former, recorded)


def of_baseline(baseline: Baseline) -> dict[str, Tests]:
    """A baseline's tests, by profile."""
    return {
        key: {
            test: Known.of_entry(entry, profile.environment)
            for test, entry in profile.tests.items()
        }
        for key, profile in baseline.profiles.items()
    }


def of_document(document: Document) -> dict[str, Tests]:
    """A run's tests that a baseline may have, by profile."""
    found: dict[str, dict[str, Known]] = {}
    for record in document.records:
        if not record.plain:
            found.setdefault(record.profile, {})[record.test] = Known.of_record(record)
    return {**found}
