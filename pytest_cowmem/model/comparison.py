"""Two runs or baselines beside each other. Runs in the process that compares; no I/O."""

from dataclasses import dataclass

from pytest_cowmem.model.baseline import Entry
from pytest_cowmem.model.verdict import Ruling


@dataclass(frozen=True)
class Compared:
    """One test of two sides, in one profile.

    `old` and `new` are what each side has, None where that has no such test. `former` is the old
    side's id of a test that was renamed. `ruling` is what the gate says where both have it, or
    where its budget alone makes it red.
    """

    profile: str
    test: str
    old: Entry | None
    new: Entry | None
    former: str | None = None
    ruling: Ruling | None = None

    @property
    def failed(self) -> bool:
        """Whether the gate is red."""
        return self.ruling is not None and self.ruling.failed


@dataclass(frozen=True)
class Comparison:
    """The tests of both sides, in the profiles that both have.

    `only_old` and `only_new` name profiles of one side. `unrun` names tests of the old side that
    the new one failed, or did not run, and that are not gone.
    """

    tests: tuple[Compared, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()
    unrun: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any test is red."""
        return any(one.failed for one in self.tests)
