"""The record of one measured test: what reports are made of and what xdist carries. Runs in the pytest process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from pytest_cowmem.judge.baseline import Entry
from pytest_cowmem.judge.verdict import Judgment, Verdict
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.measurement import Measurement


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
    """One test's measurement and what was said of it.

    `entry` is what `--cowmem-update` would write, `known` what the baseline has, `size` the zygote's resident bytes.
    """

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
    known: Entry | None = None
    proofs: tuple[Proof, ...] = ()
    explanation: Explanation | None = None

    def judgment(self, metric: str) -> Judgment | None:
        """What was said of one metric."""
        return next((judgment for judgment in self.judgments if judgment.metric == metric), None)

    def to_dict(self) -> dict[str, Any]:
        """The record in types that JSON and xdist's channel have."""
        return asdict(
            self,
            dict_factory=lambda pairs: {
                name: value.value if isinstance(value, Enum) else value for name, value in pairs
            },
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`."""
        record = revived(cls, data)
        assert isinstance(record, cls)
        return record


def revived(kind: Any, data: Any) -> Any:
    """What `asdict` made of a value of type `kind`, made into one again: dataclasses, tuples of them, options and enumerations."""
    parts = get_args(kind)
    if NoneType in parts:
        return (
            None
            if data is None
            else revived(next(part for part in parts if part is not NoneType), data)
        )
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(
            **{field.name: revived(hints[field.name], data[field.name]) for field in fields(kind)}
        )
    if get_origin(kind) is tuple:
        kinds = [parts[0]] * len(data) if parts[-1] is Ellipsis else parts
        return tuple(revived(*pair) for pair in zip(kinds, data, strict=True))
    return kind(data) if isinstance(kind, type) and issubclass(kind, Enum) else data
