"""What one test is held to, and its judgment. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.baseline import Conditions, Entry, Environment
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import LAYOUT_NOISE, METRICS, PACKING, Metric, Tolerance
from pytest_cowmem.model.units import render
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment, Ruling, Verdict

_ALWAYS_RED = frozenset({Verdict.OVER, Verdict.NOISY})
_RED_WHEN_STRICT = frozenset({Verdict.MISSING, Verdict.NEW, Verdict.INCOMPATIBLE})
# What each mode of --cowmem-update is about to accept, and so does not fail a test.
_ACCEPTED: Mapping[str | None, frozenset[Verdict]] = {
    None: frozenset(),
    "new": frozenset({Verdict.NEW, Verdict.INCOMPATIBLE}),
    "tighten": frozenset({Verdict.IMPROVED}),
    "changed": frozenset(Verdict),
    "all": frozenset(Verdict),
}


def gated(settings: Mapping[str, Tolerance], budget: Budget) -> dict[str, Tolerance]:
    """Tolerances by gated metric: the defaults, then the settings', then the test's own."""
    defaults = {name: metric.tolerance for name, metric in METRICS.items() if metric.tolerance}
    return {**defaults, **settings, **budget.tolerances}


class _Lines(NamedTuple):
    """What one metric is held to. `above` and `below` are how far from the baseline is allowed."""

    gated: bool
    limit: int | None
    baseline: int | None
    allowed: int
    above: int
    below: int


@dataclass(frozen=True)
class Gate:
    """What one test is held to.

    `accepted` is the baseline's entry for the test, and `recorded` the environment it was written
    in. `compatible` says whether the baseline is empty or has a profile for this environment.
    `update` is the mode in which the baseline is about to accept what is measured, if any.
    """

    conditions: Conditions
    budget: Budget
    tolerances: Mapping[str, Tolerance]
    accepted: Entry | None = None
    recorded: Environment = field(default_factory=dict)
    compatible: bool = True
    strict: bool = False
    ratchet: bool = False
    update: str | None = None

    def judge(self, measurement: Measurement) -> Ruling:
        """Judge every metric that was measured, budgeted or accepted, in the order of METRICS."""
        named = {*measurement.values, *self.budget.limits, *self._figures}
        judgments = tuple(
            self._judgment(metric, measurement) for name, metric in METRICS.items() if name in named
        )
        verdict = self._gravest(judgments)
        return Ruling(judgments, verdict, self._fails(judgments, verdict), tuple(self._notes()))

    @property
    def _figures(self) -> Mapping[str, int]:
        return self.accepted.metrics if self.accepted else {}

    @property
    def _moved(self) -> bool:
        """Whether the same objects lie in other pages than when the entry was measured."""
        return self.accepted is not None and self.accepted.layout != self.conditions.layout

    def _judgment(self, metric: Metric, measurement: Measurement) -> Judgment:
        measured = measurement.values.get(metric.name)
        spread = measurement.spread.get(metric.name, 0)
        lines = self._lines(metric, measurement)
        verdict = self._verdict(measured, spread, lines)
        allowed = {Verdict.NOISY: lines.allowed, Verdict.IMPROVED: lines.below}.get(
            verdict, lines.above
        )
        return Judgment(
            metric.name, measured, spread, lines.limit, lines.baseline, allowed, verdict
        )

    def _lines(self, metric: Metric, measurement: Measurement) -> _Lines:
        tolerance = self.tolerances.get(metric.name)
        baseline = self._figures.get(metric.name)
        around = measurement.values.get(metric.name, 0) if baseline is None else baseline
        allowed = tolerance.allows(around) if tolerance else 0
        above = below = allowed
        if self._moved:  # the side that is lower has given back what the other may have kept
            above += metric.moves(self._figures, measurement.requests)
            below += metric.moves(measurement.values, measurement.requests)
        limit = self.budget.limits.get(metric.name)
        return _Lines(tolerance is not None, limit, baseline, allowed, above, below)

    def _verdict(self, measured: int | None, spread: int, lines: _Lines) -> Verdict:
        if measured is None:  # though the budget or the baseline has it
            return Verdict.MISSING
        noisy = lines.gated and spread > lines.allowed
        if lines.limit is not None and measured - (spread if noisy else 0) > lines.limit:
            return Verdict.OVER
        if noisy:
            return Verdict.NOISY
        if not lines.gated or not self._figures:
            return Verdict.OK
        if lines.baseline is None:
            return Verdict.NEW
        if measured > lines.baseline + lines.above:
            return Verdict.REGRESSED
        if measured < lines.baseline - lines.below:
            return Verdict.IMPROVED
        return Verdict.OK

    def _gravest(self, judgments: Iterable[Judgment]) -> Verdict:
        verdicts = {judgment.verdict for judgment in judgments} | {Verdict.OK}
        if self.accepted is None:
            verdicts.add(Verdict.NEW if self.compatible else Verdict.INCOMPATIBLE)
        return next(verdict for verdict in Verdict if verdict in verdicts)

    def _fails(self, judgments: Iterable[Judgment], verdict: Verdict) -> bool:
        red = {Verdict.REGRESSED}
        red |= {Verdict.IMPROVED} if self.ratchet else set()
        red |= _RED_WHEN_STRICT if self.strict else set()
        red -= _ACCEPTED[self.update]
        red |= _ALWAYS_RED
        if verdict in red:
            return True
        return any(
            judgment.verdict in red or (judgment.measured is None and judgment.budget is not None)
            for judgment in judgments
        )

    def _notes(self) -> Iterable[str]:
        """What is not matched and differs from the baseline all the same, a sentence each."""
        old, now = self.accepted, self.conditions
        if old is None:
            return
        for name in sorted({*now.environment} & {*self.recorded} - {"gc_speed"}):
            if now.environment[name] != self.recorded[name]:
                yield (
                    f"measured with {name} {now.environment[name]}; "
                    f"the baseline was last written with {name} {self.recorded[name]}"
                )
        if self._moved:
            noise = render(LAYOUT_NOISE, "bytes")
            yield f"another layout than the baseline's: {noise} + {PACKING:.0%} fresh tolerated"
            if returned := old.metrics.get("returned", 0):
                amount = render(returned, "bytes")
                yield f"and {amount} that was given back then, which another layout may keep"
        if old.source != now.source:
            yield (
                "the test's source has changed since the baseline: "
                "a difference may be the scenario's"
            )
        if _policy(old.gc) != _policy(now.gc):
            yield f"the app's gc policy is {now.gc}; in the baseline {old.gc}"


def _policy(gc: str) -> str:
    """A GC policy without the frozen count, which comes last and moves with any change."""
    return gc.rpartition(",")[0]


def undecided(ruling: Ruling) -> bool:
    """Whether more rounds could change the verdict.

    They can where the spread exceeds the tolerance, and where a time is too long, to which noise
    only adds.
    """
    return any(
        judgment.verdict is Verdict.NOISY
        or (METRICS[judgment.metric].least and judgment.verdict in TOO_HIGH)
        for judgment in ruling.judgments
    )
