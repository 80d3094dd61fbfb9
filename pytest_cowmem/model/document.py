"""A whole run as one frozen value: what every report is made of. Runs in the pytest process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_cowmem.model import capacity
from pytest_cowmem.model.baseline import Change, Environment
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.what_if import Advised


@dataclass(frozen=True)
class Document:
    """One run: what was measured, and what became of the baseline.

    `baseline` is the baseline file's name, and `profiles` its keys before the run. `gated` names
    the metrics that all tests are held to. `tests` counts the collected tests that measure, and
    `broken` names the files of which a part was not collected. `complete` says whether the run came
    to its own end. `stale` names entries without a test. `unmeasured` has tests that used the
    worker, and neither failed nor were measured, each with the reason.

    `invocation` is how pytest was called. `update` is the mode of `--cowmem-update`, if any.
    `changes` is what it wrote, and `refused` why the file could not be written. `usage_error` is
    what ended a run before it began. `unverified` says why figures of this interpreter may be
    wrong. `explain` says whether all tests are to say where their bytes went, and `ci` whether the
    run is a CI service's. `host_memory` is the bytes that a host has for a master and its workers.
    `advised` says which policy each app is to follow, where policies were tried.
    """

    records: tuple[Record, ...] = ()
    baseline: str = "cowmem-baseline.json"
    profiles: tuple[str, ...] = ()
    gated: tuple[str, ...] = ()
    tests: int = 0
    broken: tuple[str, ...] = ()
    complete: bool = True
    stale: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    invocation: Invocation = field(default_factory=Invocation)
    update: str | None = None
    changes: tuple[Change, ...] = ()
    refused: str = ""
    usage_error: str = ""
    unverified: str = ""
    explain: bool = False
    ci: bool = False
    host_memory: int = capacity.HOST
    advised: tuple[Advised, ...] = ()

    @property
    def environments(self) -> Mapping[str, Environment]:
        """The environment of each profile that was measured in."""
        measured = [record for record in self.records if not record.plain]
        return {record.profile: record.environment for record in measured}

    @property
    def unwritten(self) -> tuple[Record, ...]:
        """The records whose entries did not change."""
        written = {change.test for change in self.changes}
        return tuple(record for record in self.records if record.test not in written)
