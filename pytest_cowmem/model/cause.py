"""What an explanation names as a cause, and how red tests share one.

Runs in the pytest process; no I/O.
"""

from dataclasses import dataclass

CONTAINER, IMPORT, LINE, COLLECTIONS = "container", "import", "line", "collections"


@dataclass(frozen=True)
class Cause:
    """One cause of a test's private bytes, and how many of them are new by it.

    `kind` is CONTAINER, IMPORT, LINE or COLLECTIONS. `name` is the container, the module imported,
    the line's function, or the generation. `place` is `path:line`; "" where that is unknown.
    """

    kind: str
    name: str
    place: str
    bytes: int

    @property
    def key(self) -> tuple[str, str]:
        """What is the same in all tests that have this cause."""
        of_a_place = self.kind in (LINE, COLLECTIONS)
        return self.kind, self.place if of_a_place else self.name

    @property
    def text(self) -> str:
        """The cause for people: `shop/hooks.py:9 (container shop.hooks.SEEN)`."""
        what = self.name if self.kind == LINE else f"{self.kind} {self.name}"
        return f"{self.place} ({what})" if self.place else what


@dataclass(frozen=True)
class Shared:
    """The traced test of the same app whose explanation a red test refers to.

    `cause` is what that explanation names first, None where nothing in it is clearly first. Where
    the red test was traced too, its own explanation names the same, `cause` has the bytes of that,
    and `besides` is what is new in it and not in the other.
    """

    test: str
    cause: Cause | None
    besides: tuple[Cause, ...] = ()
