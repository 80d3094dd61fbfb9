"""Growth a request, from readings between requests. Pure. Runs in the pytest process."""

import itertools
import statistics
from collections.abc import Sequence

Point = tuple[int, int]  # requests made, private bytes since the worker was ready

LEAST_REQUESTS = 20
_LEAST_POINTS = 5


def growth_per_request(points: Sequence[Point]) -> int | None:
    """Bytes a request at steady state; None for too few requests.

    The first third of the requests is warm-up. The growth is the least of three slopes: over all of
    the rest, and over each half of it. It is 0 where their signs differ. A leak rises all the way.
    A collection, or a page touched late, is a single step. Warming up slows down.
    """
    if not points or points[-1][0] < LEAST_REQUESTS:
        return None
    steady = [point for point in points if point[0] * 3 >= points[-1][0]]
    if len(steady) < _LEAST_POINTS:
        return None
    middle = len(steady) // 2
    slopes = [_slope(part) for part in (steady, steady[: middle + 1], steady[middle:])]
    least = min(slopes, key=abs)
    return round(least) if all(slope * least > 0 for slope in slopes) else 0


def _slope(points: Sequence[Point]) -> float:
    """The median of all pairwise slopes, in bytes a request (Theil-Sen)."""
    pairs = itertools.combinations(points, 2)
    return statistics.median((end[1] - start[1]) / (end[0] - start[0]) for start, end in pairs)
