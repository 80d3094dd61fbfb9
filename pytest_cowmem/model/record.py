"""The record of one measured test, which xdist carries too. Runs in the pytest process; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_cowmem.model.baseline import Entry, Environment
from pytest_cowmem.model.cause import Shared
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import PRIVATE, Tolerance
from pytest_cowmem.model.typed import plain, typed
from pytest_cowmem.model.verdict import Judgment, Verdict, judgment_of
from pytest_cowmem.model.what_if import Outcome


@dataclass(frozen=True)
class Proof:
    """What the gate made of one kind of planted regression, in bytes.

    `planted` is how much was planted when the gate went red, or in all, and `grown` what private
    grew by: what is kept may fit into free memory. `allowed` is how much is tolerated.
    """

    kind: str
    allowed: int
    planted: int
    grown: int
    caught: bool

    @property
    def failed(self) -> bool:
        """Whether the gate stayed green at twice its tolerance. Less can be left to un-share."""
        return not self.caught and self.grown >= 2 * self.allowed


@dataclass(frozen=True)
class Record:
    """One test's measurement and what was said of it.

    `place` is the test's `path:line`. `app` is the app's label, `target` what to import, `options`
    what it has besides (model/app.py), and `size` its master's resident bytes. `brought` and
    `interface` are as in model/facts.py. `entry` is what `--cowmem-update` would write, and
    `accepted` what the baseline has. `profile` and `environment` are those of the measurement's
    conditions. `tolerances` has those of the gated metrics.

    `shared` names the test whose explanation is this red one's too, or may be. `left_out` is how
    many red tests were traced where this one was not for that, else 0. `what_if` is what it costs
    as configured, and under other policies, where that was asked for. `plain` says that the body
    itself ran in the fork, of pytest: no baseline has such a test.
    """

    test: str
    profile: str
    environment: Environment
    app: str
    size: int
    measurement: Measurement
    judgments: tuple[Judgment, ...]
    verdict: Verdict
    failed: bool
    notes: tuple[str, ...]
    entry: Entry
    accepted: Entry | None = None
    proofs: tuple[Proof, ...] = ()
    explanation: Explanation | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    shared: Shared | None = None
    left_out: int = 0
    target: str = ""
    place: str = ""
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    what_if: tuple[Outcome, ...] = ()
    brought: tuple[tuple[str, int, int], ...] = ()
    interface: str = "wsgi"
    plain: bool = False

    def judgment(self, metric: str) -> Judgment | None:
        """What was said of one metric."""
        return judgment_of(self.judgments, metric)

    @property
    def grown(self) -> int:
        """The private bytes that the test grew by: since the baseline, or else over its budget."""
        private = self.judgment(PRIVATE)
        if private is None or private.measured is None:
            return 0
        difference = private.difference
        return private.measured - (private.budget or 0) if difference is None else difference

    def to_dict(self) -> dict[str, Any]:
        """The record in types that JSON and xdist's channel have."""
        found: dict[str, Any] = plain(self)
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`."""
        record = typed(cls, data)
        assert isinstance(record, cls)
        return record
