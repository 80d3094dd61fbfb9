"""A commit of git's. Runs in the pytest process; no I/O."""

from dataclasses import dataclass

_SHORT = 10  # characters


@dataclass(frozen=True)
class Commit:
    """A commit by its hash in full, and whether what was read differs from it."""

    id: str
    differs: bool = False

    @property
    def text(self) -> str:
        """The commit for people: `1fc778f0a1`, with a word on what differs."""
        return f"{self.id[:_SHORT]}{' with changes' if self.differs else ''}"
