"""What rules of advice look at, and what they say. Runs in the pytest process; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_cowmem.explain.places import shown
from pytest_cowmem.explain.rows import NOTHING, Trace
from pytest_cowmem.model.explanation import Container, Explanation, LateImport, Line, Overlay
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.model.metrics import OF_PRIVATE
from pytest_cowmem.model.policy import Policy

WORTH = 2 * OF_PRIVATE.absolute  # bytes from which a rule speaks
MOST_NAMES = 3


@dataclass(frozen=True)
class Accepted:
    """What the baseline has of a test: bytes by module; and the metrics that are too high."""

    modules: Mapping[str, int] = field(default_factory=dict)
    red: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """What the rules look at.

    `why` is the explanation, without advice. `requests` counts the traced ones. `facts` is what the
    zygote said of itself (zygote/master.py). `collects` is whether the worker's garbage collector
    was on at its end, and `turned_on` the `path:line` that first turned it on, "" for none. `warm`
    is whether requests came after warming up, so that `late` is known. `reader` is the line that
    copied most, and `read` what lies on those pages. `uncompiled` names modules without byte code.
    """

    why: Explanation
    requests: int
    facts: Facts
    collects: bool
    warm: bool
    accepted: Accepted = Accepted()
    reader: Line | None = None
    read: Overlay = NOTHING
    turned_on: str = ""
    uncompiled: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, why: Explanation, trace: Trace, facts: Facts, accepted: Accepted, rootdir: Path
    ) -> "Case":
        """The case of a traced round that `why` was made of."""
        reader, turned_on = trace.reader, trace.charged.turned_on
        at = reader and (shown(reader.path or "", rootdir), reader.line)
        return cls(
            why,
            trace.requests,
            facts,
            trace.charged.collects,
            trace.tells_warm_up,
            accepted,
            next((line for line in why.lines if (line.path, line.line) == at), None),
            trace.read,
            f"{shown(turned_on[0], rootdir)}:{turned_on[1]}" if turned_on else "",
            trace.charged.uncompiled,
        )

    def value(self, metric: str) -> int:
        """The measured value of a metric; 0 where it could not be measured."""
        return self.why.measured.get(metric, 0)

    @property
    def left_behind(self) -> int:
        """Bytes that all requests together leave behind: growth is per request."""
        return self.value("growth") * self.requests

    @cached_property
    def grown(self) -> Mapping[str, int]:
        """The modules that grew since the baseline, and by how much. Empty without a baseline."""
        before = self.accepted.modules
        growth = {name: size - before.get(name, 0) for name, size in self.why.modules.items()}
        return {
            name: size for name, size in growth.items() if before and size >= OF_PRIVATE.absolute
        }

    def is_old(self, module: str) -> bool:
        """Whether a module takes what it took in the baseline, and something else grew."""
        return bool(self.grown) and module not in self.grown

    def imported(self, part: Line | Container) -> int:
        """Bytes that late imports account for, of a line or container.

        They are those of the imports at its line, and of the import that loaded its own module.
        """
        loaded_by = {late.by for late in self.why.imports if late.module == part.module}
        size = 0
        for late in self.why.imports:
            if late.by in loaded_by or (late.path and late.place == part.place):
                size += late.bytes
        return size


@dataclass(frozen=True)
class Proposal:
    """What a rule says to do.

    `about` is the module that it is about, "" for none, and `subjects` are the containers, imported
    modules or `path:line` that it names. `policy` is what shows its worth when it is
    tried, and `trying` how it is tried, in words; None where nothing does. Where it was tried and
    won back less than `least` bytes, or too little for a word, it is not said. Where it won back
    far more or less than the bytes that its subject `keeps`, 0 for unknown, it names no gain. What
    the policy `beyond` wins back is no gain of it. Where it is not `sure`, it is said only if it
    was tried. `instead` names the rule that it disproves when it is said. `little` is what brings
    little, where that is not all of `text`: the words before "brings less than".
    """

    rule: str
    text: str
    about: str = ""
    policy: Policy | None = None
    trying: str = "tried"
    least: int = 0
    keeps: int = 0
    beyond: Policy | None = None
    sure: bool = True
    instead: str = ""
    little: str = ""
    subjects: tuple[str, ...] = ()


def at(part: Container | LateImport) -> str:
    """Where it is in the app, with a word before it; nothing where that is unknown."""
    return f" at {part.place}" if part.place else ""
