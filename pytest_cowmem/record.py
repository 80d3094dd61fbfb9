"""The record of one measured test: what reports are made of and what xdist carries. Runs in the pytest process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_cowmem.judge.baseline import Entry
from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.measure.sample import Measurement


@dataclass(frozen=True)
class Proof:
    """One kind of planted regression: how many bytes were planted when the gate went red, or in all, and how many it tolerates."""

    kind: str
    allowed: int
    planted: int
    caught: bool

    @property
    def failed(self) -> bool:
        """Whether the gate stayed green at twice its tolerance; less than that can be left to un-share."""
        return not self.caught and self.planted >= 2 * self.allowed


@dataclass(frozen=True)
class Record:
    """One test's measurement and what was said of it; `entry` is what `--cowmem-update` would write, `size` the zygote's resident bytes."""

    test: str
    profile: str
    environment: Mapping[str, str | int]
    app: str
    size: int
    measurement: Measurement
    judgments: tuple[Judgment, ...]
    verdict: Verdict
    entry: Entry
    failed: bool
    notes: tuple[str, ...]
    proofs: tuple[Proof, ...] = ()

    def judgment(self, metric: str) -> Judgment | None:
        """What was said of one metric."""
        return next((judgment for judgment in self.judgments if judgment.metric == metric), None)

    def to_dict(self) -> dict[str, Any]:
        """The record in types that JSON and xdist's channel have."""
        return asdict(self) | {
            "judgments": [{**asdict(judgment), "verdict": judgment.verdict.value} for judgment in self.judgments],
            "verdict": self.verdict.value,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`."""
        measurement = Measurement(**{**data["measurement"], "imports": tuple(data["measurement"]["imports"])})
        judgments = tuple(Judgment(**{**judgment, "verdict": Verdict(judgment["verdict"])}) for judgment in data["judgments"])
        parts = {
            "measurement": measurement,
            "judgments": judgments,
            "verdict": Verdict(data["verdict"]),
            "entry": Entry(**data["entry"]),
            "notes": tuple(data["notes"]),
            "proofs": tuple(Proof(**proof) for proof in data["proofs"]),
        }
        return cls(**{**data, **parts})
