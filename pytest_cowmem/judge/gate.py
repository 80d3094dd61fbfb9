"""What one test is held to, and its judgment. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.layouts import noise
from pytest_cowmem.model.baseline import LAYOUTS, Conditions, Entry, Environment
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import GROWTH, METRICS, OF_PRIVATE, Metric, Tolerance
from pytest_cowmem.model.units import render
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment, Ruling, Verdict, judgment_of

_RED_IN_CI = frozenset({Verdict.NEW, Verdict.INCOMPATIBLE})
_RED_WHEN_STRICT = frozenset({Verdict.MISSING, Verdict.NEW, Verdict.INCOMPATIBLE})
# What each mode of --cowmem-update is about to accept, and so does not fail a test.
_ACCEPTED: Mapping[str | None, frozenset[Verdict]] = {
    None: frozenset(),
    "new": frozenset({Verdict.NEW, Verdict.INCOMPATIBLE}),
    "tighten": frozenset({Verdict.IMPROVED}),
    "changed": frozenset(Verdict) - {Verdict.NOISY},
    "all": frozenset(Verdict),
}


def gated(settings: Mapping[str, Tolerance], budget: Budget) -> dict[str, Tolerance]:
    """Tolerances by gated metric: the defaults, then the settings', then the test's own."""
    defaults = {name: metric.tolerance for name, metric in METRICS.items() if metric.tolerance}
    return {**defaults, **settings, **budget.tolerances}


class _Lines(NamedTuple):
    """What one metric is held to, and the amount that is held to it.

    `compared` is what the baseline's amount is compared with. `tolerated` is the tolerance around
    it. `allowed` is that, or what chance may make of the difference where it is more.
    """

    gated: bool
    limit: int | None
    baseline: int | None
    compared: int | None
    tolerated: int
    allowed: int


@dataclass(frozen=True)
class Gate:
    """What one test is held to.

    `accepted` is the baseline's entry for the test, or for its `former` id where it was renamed.
    `recorded` is the environment that it was written in. `compatible` says whether the baseline is
    empty or has a profile for this environment. `update` is the mode in which the baseline is about
    to accept what is measured, if any.
    """

    conditions: Conditions
    budget: Budget
    tolerances: Mapping[str, Tolerance]
    accepted: Entry | None = None
    former: str | None = None
    recorded: Environment = field(default_factory=dict)
    compatible: bool = True
    strict: bool = False
    ci: bool = False
    ratchet: bool = False
    update: str | None = None

    def judge(self, measurement: Measurement) -> Ruling:
        """Judge every metric that was measured, budgeted or accepted, in the order of METRICS."""
        named = {*measurement.values, *self.budget.limits, *self._figures}
        judgments = tuple(
            self._judgment(metric, measurement) for name, metric in METRICS.items() if name in named
        )
        verdict = self._gravest(judgments)
        notes = (*self._notes(), *_growth_notes(measurement, judgments))
        return Ruling(judgments, verdict, self._fails(judgments, verdict), notes)

    @property
    def figures(self) -> set[str]:
        """The metrics that an entry keeps: the gated ones, and those that these are seen beside."""
        return {*self.tolerances} | {METRICS[name].beside for name in self.tolerances} - {""}

    @property
    def _figures(self) -> Mapping[str, int]:
        return self.accepted.metrics if self.accepted else {}

    @property
    def _moved(self) -> bool:
        """Whether the same objects lie in other pages than when the entry was measured."""
        return self.accepted is not None and self.accepted.layout != self.conditions.layout

    def _judgment(self, metric: Metric, measurement: Measurement) -> Judgment:
        lines = self._lines(metric, measurement)
        measured = measurement.values.get(metric.name)
        spread = measurement.spread.get(metric.name, 0)
        verdict = self._verdict(metric, measured, spread, lines)
        if metric.name == GROWTH and verdict in TOO_HIGH and _is_warming_up(measurement):
            verdict = Verdict.OK
        baseline = lines.baseline
        if verdict is not Verdict.OVER and not metric.least:
            measured = lines.compared
        return Judgment(
            metric.name, measured, spread, lines.limit, baseline, lines.allowed, verdict
        )

    def _lines(self, metric: Metric, measurement: Measurement) -> _Lines:
        """What a metric is held to. In the baseline's own layout the first layouts are compared."""
        name = metric.name
        tolerance = self.tolerances.get(name)
        compared = measurement.values.get(name)
        baseline = self._figures.get(name)
        layouts = measurement.layouts.get(name, ())
        chance = 0.0
        if self.accepted and baseline is not None and layouts:
            if self._moved:
                deviation = self.accepted.deviation.get(name, 0)
                chance = noise(layouts, deviation, self.accepted.layouts)
            else:
                compared = layouts[0]
                baseline = self.accepted.first.get(name, baseline)
        around = (compared or 0) if baseline is None else baseline
        tolerated = tolerance.allows(around) if tolerance else 0
        limit = self.budget.limits.get(name)
        if name in measurement.beside and compared is not None:
            compared = min(compared, self._as_then(metric, measurement))
        allowed = max(tolerated, round(chance))
        return _Lines(tolerance is not None, limit, baseline, compared, tolerated, allowed)

    def _as_then(self, metric: Metric, measurement: Measurement) -> int:
        """A time as it would be if the one beside it took as long as when the entry was written."""
        time, now = measurement.beside[metric.name]
        then = self._figures.get(metric.beside)
        return time * then // now if then else time

    def _verdict(self, metric: Metric, measured: int | None, spread: int, lines: _Lines) -> Verdict:
        if measured is None or lines.compared is None:  # though budget or baseline have it
            return Verdict.MISSING
        # Work of others only adds to a time: its least says enough.
        noisy = lines.gated and spread > lines.allowed and not metric.least
        if lines.limit is not None and measured - (spread if noisy else 0) > lines.limit:
            return Verdict.OVER
        if noisy and not self._clear(measured + spread, lines):
            return Verdict.NOISY
        if not lines.gated or not self._figures:
            return Verdict.OK
        if lines.baseline is None:
            return Verdict.NEW
        if lines.compared > lines.baseline + lines.allowed:
            return Verdict.REGRESSED
        if lines.compared < lines.baseline - lines.allowed:
            return Verdict.IMPROVED
        return Verdict.OK

    def _clear(self, highest: int, lines: _Lines) -> bool:
        """Whether even the highest of noisy rounds is within all that a metric is held to."""
        within = lines.baseline is not None and highest <= lines.baseline + lines.allowed
        return within and (lines.limit is None or highest <= lines.limit)

    def in_doubt(self, measurement: Measurement) -> bool:
        """Whether one more layout could change what is red.

        It can where the measured layouts exceed a limit or what is tolerated, and not by far.
        """
        return any(
            self._may_be_chance(METRICS[name], amounts, measurement)
            for name, amounts in measurement.layouts.items()
            if len(amounts) < LAYOUTS
        )

    def _may_be_chance(
        self, metric: Metric, amounts: Sequence[int], measurement: Measurement
    ) -> bool:
        lines = self._lines(metric, measurement)
        assert lines.compared is not None
        chance = max(lines.allowed, lines.tolerated)
        if lines.limit is not None:
            excess = measurement.values[metric.name] - lines.limit
            if 0 < excess <= max(chance, OF_PRIVATE.allows(lines.limit)):
                return True
        if not (self._moved and lines.gated) or lines.baseline is None:
            return False
        difference = lines.compared - lines.baseline
        if self.ratchet:
            difference = abs(difference)
        sure = len(amounts) > 1 and difference > lines.tolerated + lines.allowed
        return difference > lines.tolerated and not sure

    def _gravest(self, judgments: Iterable[Judgment]) -> Verdict:
        verdicts = {judgment.verdict for judgment in judgments} | {Verdict.OK}
        if self.accepted is None:
            verdicts.add(Verdict.NEW if self.compatible else Verdict.INCOMPATIBLE)
        return next(verdict for verdict in Verdict if verdict in verdicts)

    def _fails(self, judgments: Iterable[Judgment], verdict: Verdict) -> bool:
        red = {Verdict.REGRESSED}
        red |= {Verdict.IMPROVED} if self.ratchet else set()
        red |= _RED_WHEN_STRICT if self.strict else set()
        red |= _RED_IN_CI if self.ci else set()
        red |= {Verdict.NOISY}
        red -= _ACCEPTED[self.update]
        red |= {Verdict.OVER}
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
        if self.former:
            yield (
                f"renamed, it seems: {self.former} had this source and app and is gone, "
                "so this test is held to its entry"
            )
        if old.source not in (now.source, ""):
            yield (
                "the test's source has changed since the baseline: "
                "a difference may be the scenario's"
            )
        if old.gc != now.gc:
            yield f"the app's gc policy is {now.gc}; in the baseline {old.gc}"


def _is_warming_up(measurement: Measurement) -> bool:
    return measurement.growth is not None and measurement.growth.warming


def _growth_notes(measurement: Measurement, judgments: Iterable[Judgment]) -> Iterable[str]:
    """What growth does not count, and why it is not red where it is too high and still falls."""
    if measurement.growth is not None and not measurement.growth.whole:
        yield (
            "growth counts objects of up to 512 bytes only: "
            "the allocator of larger ones is not glibc's, and does not tell what is in use"
        )
    judged = judgment_of(judgments, GROWTH)
    if judged is None or judged.measured is None or not _is_warming_up(measurement):
        return
    limits = [] if judged.budget is None else [judged.budget]
    limits += [] if judged.baseline is None else [judged.baseline + judged.allowed]
    if limits and judged.measured > min(limits):
        yield (
            f"growth is {render(judged.measured, 'bytes')} a request and falling, so it is not "
            f"judged: the app is still warming up after {measurement.requests} requests, "
            "so make more"
        )


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
