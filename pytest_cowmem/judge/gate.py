"""What one test is held to, and its judgment. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.held import Held
from pytest_cowmem.model.baseline import MIXED, Conditions, Entry, Environment
from pytest_cowmem.model.figure import Figure
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import GROWTH, METRICS, OF_TREE, PRIVATE, Metric, Tolerance
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


def gated(
    settings: Mapping[str, Tolerance], budget: Budget, *, tree: bool = False
) -> dict[str, Tolerance]:
    """Tolerances by gated metric: the defaults, then the settings', then the test's own.

    `tree` says that `private` is of a worker and its descendants.
    """
    defaults = {name: metric.tolerance for name, metric in METRICS.items() if metric.tolerance}
    if tree:
        defaults[PRIVATE] = OF_TREE
    return {**defaults, **settings, **budget.tolerances}


@dataclass(frozen=True)
class Gate:
    """What one test is held to.

    `accepted` is the baseline's entry for the test, or for its `former` id where it was renamed.
    `recorded` is the environment that it was written in. `compatible` says whether the baseline is
    empty or has a profile for this environment. `update` is the mode in which the baseline is about
    to accept what is measured, if any. One that is not `compared` has a budget alone, and no entry.
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
    compared: bool = True

    def judge(self, measured: Measurement | Entry) -> Ruling:
        """Judge every metric that was measured, budgeted or accepted, in the order of METRICS.

        An entry is what was measured when it was accepted, as far as a baseline keeps that: what
        is not gated may be missing there.
        """
        figures = measured.figures
        of_run = measured if isinstance(measured, Measurement) else None
        warming = of_run is not None and _is_warming_up(of_run)
        expected = {*self._accepted} if of_run else {*self._accepted} & self.figures
        named = {*figures, *self.budget.limits} | expected
        judgments = tuple(
            self._judgment(metric, figures.get(name), warming=warming)
            for name, metric in METRICS.items()
            if name in named
        )
        verdict = self._gravest(judgments)
        notes = [*self._notes()]
        if of_run:
            notes += _growth_notes(of_run, judgments)
        return Ruling(judgments, verdict, self._fails(judgments, verdict), tuple(notes))

    @property
    def figures(self) -> set[str]:
        """The metrics that an entry keeps: the gated ones, and those that these are seen beside."""
        return {*self.tolerances} | {METRICS[name].beside for name in self.tolerances} - {""}

    def in_doubt(self, measurement: Measurement) -> bool:
        """Whether one more layout could change what is red."""
        return bool(self._in_doubt(measurement))

    def rounds_differ(self, measurement: Measurement) -> bool:
        """Whether rounds of what further layouts decide differ by more than is tolerated."""
        return any(one.spread > one.tolerated for one in self._in_doubt(measurement))

    def _in_doubt(self, measurement: Measurement) -> list[Held]:
        figures = measurement.figures
        held = [self._held(METRICS[name], figures[name]) for name in measurement.layouts]
        return [one for one in held if one.in_doubt(ratchet=self.ratchet)]

    @cached_property
    def _accepted(self) -> Mapping[str, Figure]:
        return self.accepted.figures if self.accepted else {}

    @property
    def _own_layout(self) -> bool:
        layout = self.accepted.layout if self.accepted else MIXED
        return layout == self.conditions.layout != MIXED

    def _held(self, metric: Metric, figure: Figure | None) -> Held:
        return Held.of(
            metric,
            figure,
            self._accepted.get(metric.name),
            self.budget.limits.get(metric.name),
            self.tolerances.get(metric.name),
            own_layout=self._own_layout,
        )

    def _judgment(self, metric: Metric, figure: Figure | None, *, warming: bool) -> Judgment:
        """What is said of a metric; `warming` says that the app is still warming up."""
        held = self._held(metric, figure)
        verdict = held.verdict(has_entry=bool(self._accepted))
        if metric.name == GROWTH and verdict in TOO_HIGH and warming:
            verdict = Verdict.OK
        # A time is shown as it was measured, and what is over budget, beside what was accepted so.
        over, accepted = verdict is Verdict.OVER, self._accepted.get(metric.name)
        measured = held.measured if over or metric.least else held.compared
        baseline = accepted.amount if over and accepted else held.baseline
        return Judgment(
            metric.name, measured, held.spread, held.limit, baseline, held.allowed, verdict
        )

    def _gravest(self, judgments: Iterable[Judgment]) -> Verdict:
        verdicts = {judgment.verdict for judgment in judgments} | {Verdict.OK}
        if self.accepted is None and self.compared:
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
