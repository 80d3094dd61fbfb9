"""The record of one measured test. Runs in the pytest process; no I/O.

Reports are made of records, and xdist carries them from its workers to the controller.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from pytest_cowmem.model.baseline import Entry, Environment
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.verdict import Judgment, Verdict, judgment_of


@dataclass(frozen=True)
class Proof:
    """What the gate made of one kind of planted regression, in bytes.

    `planted` is how much was planted when the gate went red, or in all. `allowed` is how much it
    tolerates.
    """

    kind: str
    allowed: int
    planted: int
    caught: bool

    @property
    def failed(self) -> bool:
        """Whether the gate stayed green at twice its tolerance.

        It need not get there: less than that can be left to un-share.
        """
        return not self.caught and self.planted >= 2 * self.allowed


@dataclass(frozen=True)
class Record:
    """One test's measurement and what was said of it.

    `app` is the app's label, and `size` its master's resident bytes. `entry` is what
    `--cowmem-update` would write, and `accepted` what the baseline has. `profile` and `environment`
    are those of the measurement's conditions.
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

    def judgment(self, metric: str) -> Judgment | None:
        """What was said of one metric."""
        return judgment_of(self.judgments, metric)

    def to_dict(self) -> dict[str, Any]:
        """The record in types that JSON and xdist's channel have."""
        return asdict(self, dict_factory=_plain)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`."""
        record = revived(cls, data)
        assert isinstance(record, cls)
        return record


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in pairs}


def revived(kind: Any, data: Any) -> Any:
    """A value of type `kind` from what `asdict` made of it.

    The types are dataclasses, tuples of them, optional ones and enumerations; others stay.
    """
    parts = get_args(kind)
    if NoneType in parts:
        if data is None:
            return None
        return revived(next(part for part in parts if part is not NoneType), data)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        values = {
            field.name: revived(hints[field.name], data[field.name]) for field in fields(kind)
        }
        return kind(**values)
    if get_origin(kind) is tuple:
        kinds = [parts[0]] * len(data) if parts[-1] is Ellipsis else parts
        return tuple(revived(*pair) for pair in zip(kinds, data, strict=True))
    return kind(data) if isinstance(kind, type) and issubclass(kind, Enum) else data
