"""Red tests by the cause that their explanations name first. Runs in the pytest process."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_cowmem.model.cause import Cause
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import TOO_HIGH
from pytest_cowmem.report.causes import first_cause


@dataclass(frozen=True)
class Group:
    """The red tests of one app that have a cause, by id.

    Those in `traced` were traced, and name it. Those in `alike` grew as one of these did.
    """

    cause: Cause
    traced: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)


def groups(records: Iterable[Record]) -> list[Group]:
    """The groups of red tests, the largest cause first. Tests without a clear cause are in none."""
    found: dict[tuple[str, tuple[str, str]], Group] = {}
    for record in records:
        if not (record.failed and record.verdict in TOO_HIGH):
            continue
        traced = record.explanation is not None
        cause = first_cause(record) if traced else record.shared and record.shared.cause
        if cause:
            group = found.setdefault((record.app, cause.key), Group(cause))
            (group.traced if traced else group.alike).append(record.test)
    return sorted(found.values(), key=lambda group: -group.cause.bytes)
