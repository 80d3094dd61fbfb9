"""A whole run as one frozen value: what every report is made of. Runs in the pytest process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_cowmem.model import capacity
from pytest_cowmem.model.baseline import Change, Environment
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.what_if import Advised


@dataclass(frozen=True)
class Failure:
    """A test that measures and failed before it was measured: `reason` is one line.

    `place` is the test's `path:line`, "" where that is unknown.
    """

    test: str
    reason: str
    place: str = ""


@dataclass(frozen=True)
class Document:
    """One run: what was measured, and what became of the baseline.

    `records` come in the order of the tests, and `failures` has those that have none. `unfit` names
    tests that failed after they were measured. `head` is the commit that was measured, and `base`
    the one that changed the baseline last, where git knows them.

    `baseline` is the baseline file's name, and `profiles` its keys before the run. `reference` has
    a fixed app's figures by profile, where the baseline has none and takes some. `gated` names
    the metrics that all tests are held to. `tests` counts the collected tests that measure, and
    `broken` names the files of which a part was not collected. `complete` says whether the run came
    to its own end. `stale` names entries without a test. `unmeasured` has tests that used the
    worker, and neither failed nor were measured, each with the reason.

    `invocation` is how pytest was called. `update` is the mode of `--cowmem-update`, if any.
    `strict` says whether a run that measures nothing fails. `changes` is what it wrote, and
    `refused` why the file could not be written. `usage_error` is what ended a run before it began.
    `unverified` says why figures of this interpreter may be wrong. `explain` says whether all tests
    are to say where their bytes went, and `ci` whether the run is a CI service's. `host_memory` is
    the bytes that a host has for a master and its workers. `advised` says which policy each app is
    to follow, where policies were tried. `reported` names the files that the run was written into,
    and `unreported` says why others could not be. Those files have neither.
    """

    records: tuple[Record, ...] = ()
    failures: tuple[Failure, ...] = ()
    unfit: tuple[str, ...] = ()
    head: Commit | None = None
    base: Commit | None = None
    baseline: str = "cowmem-baseline.json"
    profiles: tuple[str, ...] = ()
    reference: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    gated: tuple[str, ...] = ()
    tests: int = 0
    broken: tuple[str, ...] = ()
    complete: bool = True
    stale: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    invocation: Invocation = field(default_factory=Invocation)
    update: str | None = None
    strict: bool = False
    changes: tuple[Change, ...] = ()
    refused: str = ""
    usage_error: str = ""
    unverified: str = ""
    explain: bool = False
    ci: bool = False
    host_memory: int = capacity.HOST
    advised: tuple[Advised, ...] = ()
    reported: tuple[str, ...] = ()
    unreported: tuple[str, ...] = ()

    @property
    def environments(self) -> Mapping[str, Environment]:
        """The environment of each profile that was measured in."""
        measured = [record for record in self.records if not record.plain]
        return {record.profile: record.environment for record in measured}

    @property
    def passed(self) -> bool:
        """Whether the gate is green: all that was to be measured was, and no test is red."""
        if self.usage_error or self.refused or self.broken or not self.complete:
            return False
        red = self.failures or self.unfit or any(record.failed for record in self.records)
        return not red and (bool(self.records) or not self.strict)

    @property
    def unwritten(self) -> tuple[Record, ...]:
        """The records whose entries did not change."""
        written = {change.test for change in self.changes}
        return tuple(record for record in self.records if record.test not in written)
