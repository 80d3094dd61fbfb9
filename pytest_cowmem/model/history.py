"""What a test's private bytes were over commits. Runs in the process that tells; no I/O."""

from dataclasses import dataclass

from pytest_cowmem.model.baseline import Baseline


@dataclass(frozen=True)
class Change:
    """A commit that changed the baseline: its hash in full, its day (ISO 8601), its first line."""

    commit: str
    day: str
    subject: str

    @property
    def short(self) -> str:
        """The hash for people."""
        return self.commit[:10]


@dataclass(frozen=True)
class Version:
    """The baseline as a commit left it."""

    change: Change
    baseline: Baseline


@dataclass(frozen=True)
class Point:
    """What a test had in private bytes after a change.

    `moved` says whether that differs from the point before by more than the gate lets pass.
    """

    change: Change
    private: int
    moved: bool = False


@dataclass(frozen=True)
class Series:
    """A test over all changes at which it had an entry, the oldest first; `test` is its last id.

    `gone` says whether the last version has it no more.
    """

    profile: str
    test: str
    points: tuple[Point, ...]
    gone: bool = False

    @property
    def difference(self) -> int:
        """The last private bytes minus the first."""
        return self.points[-1].private - self.points[0].private

    @property
    def moves(self) -> list[tuple[Point, int]]:
        """The points that moved, each with what it is more than the one before."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return [(now, now.private - before.private) for before, now in pairs if now.moved]


@dataclass(frozen=True)
class History:
    """All changes, the oldest first, and a series for each profile and test, in their order."""

    changes: tuple[Change, ...]
    series: tuple[Series, ...]
