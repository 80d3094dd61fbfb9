"""What one metric is held to, and what that says of it. Pure. Runs in the pytest process."""

from typing import NamedTuple

from pytest_cowmem.judge.layouts import noise
from pytest_cowmem.model.baseline import LAYOUTS
from pytest_cowmem.model.figure import Figure
from pytest_cowmem.model.metrics import OF_PRIVATE, Metric, Tolerance
from pytest_cowmem.model.verdict import Verdict


class Held(NamedTuple):
    """What a metric is held to: a limit, a baseline's amount, or both, in the metric's unit.

    `measured` is held to `limit`, and `compared` to `baseline`. `tolerated` is the tolerance around
    that. `allowed` is the same, or what chance may make of the difference where it is more, and
    `apart` what it may make of two rounds.
    `layouts` counts those that were measured. `own_layout` says that they are the baseline's.
    """

    metric: Metric
    measured: int | None
    spread: int
    limit: int | None
    baseline: int | None
    compared: int | None
    gated: bool
    tolerated: int
    allowed: int
    apart: int
    layouts: int
    own_layout: bool

    @classmethod
    def of(
        cls,
        metric: Metric,
        figure: Figure | None,
        accepted: Figure | None,
        limit: int | None,
        tolerance: Tolerance | None,
        *,
        own_layout: bool,
    ) -> "Held":
        """What a figure is held to. In the baseline's own layout the first ones are compared.

        `accepted` is the baseline's, and `tolerance` is None for a metric that is not gated.
        """
        measured = compared = figure.amount if figure else None
        baseline = accepted.amount if accepted else None
        chance = of_rounds = 0.0
        if figure and accepted:
            if figure.layouts and metric.of_pages:
                if own_layout:
                    compared, baseline = figure.first, accepted.first
                else:
                    chance, of_rounds = _chance(figure, accepted, arenas=not metric.copies)
            if figure.beside:
                compared = min(figure.amount, _as_then(figure.beside, accepted))
        around = (measured or 0) if baseline is None else baseline
        tolerated = tolerance.allows(around) if tolerance else 0
        return cls(
            metric,
            measured,
            figure.spread if figure else 0,
            limit,
            baseline,
            compared,
            tolerance is not None,
            tolerated,
            max(tolerated, round(chance)),
            max(tolerated, round(of_rounds)),
            figure.layouts if figure else 0,
            own_layout,
        )

    def verdict(self, *, has_entry: bool) -> Verdict:
        """What budget and baseline say. `has_entry` tells a new metric from a new test."""
        if self.measured is None or self.compared is None:  # though budget or baseline have it
            return Verdict.MISSING
        # Work of others only adds to a time: its least says enough.
        noisy = self.gated and self.spread > self.apart and not self.metric.least
        if self.limit is not None and self._beyond(self.spread if noisy else 0) > 0:
            return Verdict.OVER
        if noisy and not self._contains(self.measured + self.spread):
            return Verdict.NOISY
        if not self.gated or not has_entry:
            return Verdict.OK
        if self.baseline is None:
            return Verdict.NEW
        worse = self.compared - self.baseline
        if self.metric.floor:
            worse = -worse
        if worse > self.allowed:
            return Verdict.REGRESSED
        return Verdict.IMPROVED if -worse > self.allowed else Verdict.OK

    def _beyond(self, spread: int = 0) -> int:
        """How far the measured amount is on the wrong side of its limit, even for its spread."""
        assert self.measured is not None
        assert self.limit is not None
        excess = self.measured - self.limit
        return (-excess if self.metric.floor else excess) - spread

    def _contains(self, highest: int) -> bool:
        """Whether even the highest of noisy rounds is within all that the metric is held to."""
        within = self.baseline is not None and highest <= self.baseline + self.allowed
        return within and (self.limit is None or highest <= self.limit)

    def in_doubt(self, *, ratchet: bool) -> bool:
        """Whether one more layout could change what is red; `ratchet` makes an improvement red.

        It can where the measured layouts exceed a limit or what is tolerated, and not by far.
        """
        if self.measured is None or not 0 < self.layouts < LAYOUTS:
            return False
        if self.limit is not None:
            around = max(self.allowed, OF_PRIVATE.allows(self.limit))
            if 0 < self._beyond() <= around:
                return True
        if self.own_layout or not self.gated or self.baseline is None or self.compared is None:
            return False
        difference = self.compared - self.baseline
        if ratchet:
            difference = abs(difference)
        sure = self.layouts > 1 and difference > self.tolerated + self.allowed
        return difference > self.tolerated and not sure


def _chance(figure: Figure, accepted: Figure, *, arenas: bool) -> tuple[float, float]:
    """What chance may make of the difference of two means over layouts, and of two rounds.

    A baseline's layouts have one round each, so their deviation is that of rounds too. Where rounds
    of this run differ by no more than that, they say how sure one of another layout is.
    """
    before = accepted.deviation, accepted.layouts
    of_rounds = noise((0, 1), before, arenas=arenas)
    deviation = figure.deviation
    if figure.spread <= of_rounds:
        deviation = max(deviation, figure.spread)
    return noise((deviation, figure.layouts), before, arenas=arenas), of_rounds


def _as_then(beside: tuple[int, int], accepted: Figure) -> int:
    """A time as it would be if the one beside it took as long as when the entry was written."""
    time, now = beside
    then = accepted.beside[1] if accepted.beside else 0
    return time * then // now if then and now else time
