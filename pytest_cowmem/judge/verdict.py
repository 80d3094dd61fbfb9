"""What budget and baseline say of a measurement. Runs in the pytest process; no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_cowmem.judge.baseline import Entry
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import LAYOUT_NOISE, METRICS, PACKING, Metric, Tolerance
from pytest_cowmem.model.units import render


class Verdict(StrEnum):
    """In the order of how much they matter: a test's verdict is the gravest of its metrics'."""

    OVER = "over budget"
    REGRESSED = "regressed"
    NOISY = "noisy"
    MISSING = "missing"
    IMPROVED = "improved"
    INCOMPATIBLE = "incompatible"
    NEW = "new"
    OK = "ok"


@dataclass(frozen=True)
class Judgment:
    """One metric against its budget and baseline, in the metric's unit; `measured` is None where it could not be had."""

    metric: str
    measured: int | None
    spread: int
    budget: int | None
    baseline: int | None
    allowed: int
    verdict: Verdict

    @property
    def difference(self) -> int | None:
        """Measured minus baseline."""
        return (
            None
            if self.measured is None or self.baseline is None
            else self.measured - self.baseline
        )


def tolerances_of(budget: Budget, settings: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """The gated metrics: the defaults, the settings' over them, the test's own over those."""
    defaults = {
        name: metric.tolerance for name, metric in METRICS.items() if metric.tolerance is not None
    }
    return {**defaults, **settings, **budget.tolerances}


def judge(
    measurement: Measurement,
    budget: Budget,
    entry: Entry | None,
    tolerances: Mapping[str, Tolerance],
    layout: str,
) -> list[Judgment]:
    """Judge every metric that was measured, budgeted or in the baseline, in the order of METRICS.

    `layout` is the zygote's; a layout's noise is tolerated on top where the entry was measured in another.
    """
    known = entry.metrics if entry else {}
    moved = entry is not None and entry.layout != layout

    return [
        _judge_one(
            METRICS[name], measurement, budget.limits.get(name), known, tolerances.get(name), moved
        )
        for name in METRICS
        if name in measurement.values or name in budget.limits or name in known
    ]


def _judge_one(
    metric: Metric,
    measurement: Measurement,
    limit: int | None,
    known: Mapping[str, int],
    tolerance: Tolerance | None,
    moved: bool,
) -> Judgment:
    measured, baseline, spread = (
        measurement.values.get(metric.name),
        known.get(metric.name),
        measurement.spread.get(metric.name, 0),
    )
    allowed = tolerance.allows(measured or 0 if baseline is None else baseline) if tolerance else 0
    more, less = (
        allowed
        + (
            metric.layout_noise(
                measurement.requests, values.get("fresh", 0), values.get("returned", 0)
            )
            if moved
            else 0
        )
        for values in (
            known,
            measurement.values,
        )  # the side that is lower has given back what the other may have kept
    )
    noisy = tolerance is not None and spread > allowed
    verdict = Verdict.OK
    if measured is None:
        verdict = (
            Verdict.MISSING
            if limit is not None or baseline is not None or tolerance
            else Verdict.OK
        )
    elif limit is not None and measured - (spread if noisy else 0) > limit:
        verdict = Verdict.OVER
    elif noisy:
        verdict = Verdict.NOISY
    elif tolerance is None or not known:
        pass
    elif baseline is None:
        verdict = Verdict.NEW
    elif measured > baseline + more:
        verdict = Verdict.REGRESSED
    elif measured < baseline - less:
        verdict = Verdict.IMPROVED
    tolerated = {Verdict.NOISY: allowed, Verdict.IMPROVED: less}.get(verdict, more)
    return Judgment(metric.name, measured, spread, limit, baseline, tolerated, verdict)


def needs_more_rounds(judgments: Sequence[Judgment]) -> bool:
    """Whether more rounds could change the verdict: the spread exceeds the tolerance, or a time is too long, to which noise only adds."""
    too_long = (Verdict.OVER, Verdict.REGRESSED)
    return any(
        j.verdict is Verdict.NOISY or (METRICS[j.metric].least and j.verdict in too_long)
        for j in judgments
    )


def gravest(judgments: Sequence[Judgment], entry: Entry | None, compatible: bool) -> Verdict:
    """The verdict on the whole test; `compatible` says whether the baseline is empty or has a profile for this environment."""
    found = {judgment.verdict for judgment in judgments}
    if entry is None:
        found.add(Verdict.NEW if compatible else Verdict.INCOMPATIBLE)
    return next(verdict for verdict in Verdict if verdict in found or verdict is Verdict.OK)


def fails(
    judgments: Sequence[Judgment], verdict: Verdict, strict: bool, ratchet: bool, update: str | None
) -> bool:
    """Whether the test fails; `update` is the mode in which the baseline is about to accept what it measured, if any."""
    accepted = {
        None: (),
        "new": (Verdict.NEW, Verdict.INCOMPATIBLE),
        "tighten": (Verdict.IMPROVED,),
    }.get(update, tuple(Verdict))
    red = {
        Verdict.REGRESSED: True,
        Verdict.IMPROVED: ratchet,
        Verdict.MISSING: strict,
        Verdict.NEW: strict,
        Verdict.INCOMPATIBLE: strict,
    }
    if any(
        judgment.verdict in (Verdict.OVER, Verdict.NOISY)
        or (judgment.measured is None and judgment.budget is not None)
        for judgment in judgments
    ):
        return True
    return any(
        red.get(found, False) and found not in accepted
        for found in {verdict, *(judgment.verdict for judgment in judgments)}
    )


def notes(
    found: Entry,
    entry: Entry | None,
    environment: Mapping[str, object],
    recorded: Mapping[str, object],
) -> list[str]:
    """What is not matched and differs from the baseline all the same, a sentence each."""
    if entry is None:
        return []
    said = [
        f"measured with {name} {environment[name]}; the baseline was last written with {name} {recorded[name]}"
        for name in sorted(set(environment) & set(recorded) - {"gc_speed"})
        if environment[name] != recorded[name]
    ]
    if entry.layout != found.layout:
        said.append(
            f"another layout than the baseline's: {render(LAYOUT_NOISE, 'bytes')} + {PACKING:.0%} fresh tolerated"
        )
        if returned := entry.metrics.get("returned", 0):
            said.append(
                f"and {render(returned, 'bytes')} that was given back then, which another layout may keep"
            )
    if entry.source != found.source:
        said.append(
            "the test's source has changed since the baseline: a difference may be the scenario's"
        )
    if (
        entry.gc.rpartition(",")[0] != found.gc.rpartition(",")[0]
    ):  # the frozen count comes last, and moves with any change
        said.append(f"the app's gc policy is {found.gc}; in the baseline {entry.gc}")
    return said
