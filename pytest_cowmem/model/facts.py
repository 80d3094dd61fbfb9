"""What a master says of itself when it is ready to fork. Runs in the pytest process; no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """Facts of a master that is ready to fork.

    `gc_speed` is nanoseconds that its interpreter takes to collect 100,000 lists. `layout` is a
    digest of where the app's objects lie, and `ballast` bytes that are kept to make it what it is.
    `gc_enabled` says whether workers collect, `gc_frozen` how many objects are frozen. `threads`
    names the threads besides the main one. `harness` names the modules that were loaded before the
    app, and `modules` all of them. `interface` is the app's: "wsgi", "asgi", or "call" for what
    serves no requests. `brought` has, for each module that was to be preloaded before the app, its
    name, and the bytes and modules that it brought. `preloads` says whether the master's own
    configuration has it preload the app.
    """

    gc_speed: int
    layout: str
    fixed_addresses: bool
    gc_enabled: bool
    gc_thresholds: tuple[int, ...]
    gc_frozen: int
    ballast: int
    threads: tuple[str, ...]
    harness: frozenset[str]
    modules: frozenset[str]
    interface: str = "wsgi"
    brought: tuple[tuple[str, int, int], ...] = ()
    preloads: bool = True

    @classmethod
    def of(
        cls,
        *,
        layout: int,
        threads: Iterable[str],
        harness: Iterable[str],
        modules: Iterable[str],
        brought: Iterable[tuple[str, int, int]] = (),
        **others: Any,
    ) -> "Facts":
        """The facts as they come from the zygote, in types that can be compared."""
        return cls(
            layout=f"{layout % 2**64:016x}",
            threads=tuple(threads),
            harness=frozenset(harness),
            modules=frozenset(modules),
            brought=tuple(brought),
            **others,
        )
