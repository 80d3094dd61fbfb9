"""What one round measured, and the summary over rounds. Runs in the pytest process; no I/O."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_cowmem.model.metrics import METRICS

_LEAST_REQUESTS = 20
_LEAST_POINTS = 5


@dataclass(frozen=True)
class Sample:
    """One round: metric name -> bytes, nanoseconds or count (what could not be had is absent), late imports, requests made."""

    values: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int


@dataclass(frozen=True)
class Measurement:
    """The summary over rounds. `spread` is the distance from the value within which three of four rounds lie; of times, half of them."""

    values: Mapping[str, int]
    spread: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int
    rounds: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Measurement":
        """Median over rounds for bytes and counts, minimum for times; a metric some round lacks is left out.

        One round in four may be far off without counting as noise: the first after a checkout may compile what a request imports. Of times,
        to which the machine's other work only adds, every other round may.
        """
        values, spread = {}, {}
        for name, metric in METRICS.items():
            found = [sample.values[name] for sample in samples if name in sample.values]
            if len(found) == len(samples):
                values[name] = min(found) if metric.least else statistics.median_low(found)
                distances = sorted(abs(value - values[name]) for value in found)
                spread[name] = distances[
                    math.ceil(len(found) * (0.5 if metric.least else 0.75)) - 1
                ]
        imports = sorted({name for sample in samples for name in sample.imports})
        return cls(values, spread, tuple(imports), samples[-1].requests, len(samples))


def growth_per_request(points: Sequence[tuple[int, int]]) -> int | None:
    """Bytes a request at steady state, from (requests, private bytes) points; the first third of the requests is warm-up.

    The least of three slopes, over all of the rest and over each half of it; 0 where they disagree in sign. A leak rises all the way, while
    a collection or a page touched late is a single step, and warming up slows down. None from too few requests to tell.
    """
    if not points or points[-1][0] < _LEAST_REQUESTS:
        return None
    steady = [point for point in points if point[0] * 3 >= points[-1][0]]
    if len(steady) < _LEAST_POINTS:
        return None
    middle = len(steady) // 2
    slopes = [_slope(part) for part in (steady, steady[: middle + 1], steady[middle:])]
    least = min(slopes, key=abs)
    return round(least) if all(slope * least > 0 for slope in slopes) else 0


def _slope(points: Sequence[tuple[int, int]]) -> float:
    """The median of all pairwise slopes (Theil-Sen)."""
    return statistics.median(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in itertools.combinations(points, 2)
    )
