"""What can be said of a measurement: verdicts and judgments. Runs in the pytest process; no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The gravest comes first: a test's verdict is the gravest of its metrics'."""

    OVER = "over budget"
    REGRESSED = "regressed"
    NOISY = "noisy"
    MISSING = "missing"
    IMPROVED = "improved"
    INCOMPATIBLE = "incompatible"
    NEW = "new"
    OK = "ok"


TOO_HIGH = frozenset({Verdict.OVER, Verdict.REGRESSED})


@dataclass(frozen=True)
class Judgment:
    """One metric against its budget and baseline, all amounts in the metric's unit.

    `measured` is None where it could not be read. `allowed` is how far it may be from `baseline`.
    """

    metric: str
    measured: int | None
    spread: int
    budget: int | None
    baseline: int | None
    allowed: int
    verdict: Verdict

    @property
    def difference(self) -> int | None:
        """Measured minus baseline."""
        if self.measured is None or self.baseline is None:
            return None
        return self.measured - self.baseline


@dataclass(frozen=True)
class Ruling:
    """All that is said of one test's measurement at once.

    `verdict` is the gravest of the judgments'. `failed` says whether the test fails for it.
    `notes` are sentences on what differs from the baseline and is not matched.
    """

    judgments: tuple[Judgment, ...]
    verdict: Verdict
    failed: bool
    notes: tuple[str, ...]


def judgment_of(judgments: Iterable[Judgment], metric: str) -> Judgment | None:
    """What was said of one metric."""
    return next((judgment for judgment in judgments if judgment.metric == metric), None)
