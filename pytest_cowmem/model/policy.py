"""What a master could do before it forks, to be tried. Runs in the pytest process; no I/O."""

import sys
from dataclasses import dataclass

ALL = sys.maxsize  # requests: as many as the test makes


@dataclass(frozen=True)
class Policy:
    """What is done in a fork of the master, which then forks the measured worker.

    `imports` names modules to import. `requests` is how many of the test's requests are served, ALL
    for its whole body. `freeze` is whether gc.freeze() is called last. `gc` is what workers do:
    "off", thresholds such as "50000,20,100", or "" for what the app's own policy says. `environ`
    has variables that the master is started with.
    """

    imports: tuple[str, ...] = ()
    requests: int = 0
    freeze: bool = False
    gc: str = ""
    environ: tuple[tuple[str, str], ...] = ()

    @property
    def parts(self) -> dict[str, str]:
        """What it does otherwise, by kind, in words; nothing for the policy that does nothing."""
        said = {
            "imports": "late imports" if self.imports else "",
            "requests": "prewarmed" if self.requests else "",
            "freeze": "frozen" if self.freeze else "",
            "gc": "collector off" if self.gc == "off" else self.gc,
            "environ": ", ".join(_library(value) for _, value in self.environ),
        }
        return {kind: words for kind, words in said.items() if words}

    @property
    def name(self) -> str:
        """What it does, for a table: "prewarmed, frozen"."""
        return ", ".join(self.parts.values())

    def includes(self, other: "Policy") -> bool:
        """Whether it does all that another one does."""
        return self.parts.items() >= other.parts.items()


def _library(value: str) -> str:
    """An allocator's name: "jemalloc" of "libjemalloc.so.2"."""
    return value.removeprefix("lib").partition(".")[0]
