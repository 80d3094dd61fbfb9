"""Growth a request, from what is in use between requests. Pure. Runs in the pytest process."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Point = tuple[int, int]  # requests made, bytes in use after them

LEAST_REQUESTS = 20
PARTS = 12  # of a test's requests, between which is read: the last third has four
_FALLS = (
    2 / 3
)  # of what it was a quarter before; a list that makes room leaves 0.68 for 16 B a request


@dataclass(frozen=True)
class Growth:
    """Bytes a request that stay in use at the end, and whether they still become fewer.

    `whole` is False where the allocator of blocks over 512 bytes does not tell what is in use.
    """

    per_request: int
    warming: bool = False
    whole: bool = True


def growth_of(points: Sequence[Point], *, whole: bool = True) -> Growth | None:
    """The growth over the last third of the requests; None for too few requests or points.

    It is the lower median of the slopes between neighbouring points, and 0 unless all of them rise.
    A leak shows in each. A cache that is filled once, or a container that makes room, shows in one.
    What other threads hold for a moment comes and goes.
    """
    requests = points[-1][0] if points else 0
    if requests < LEAST_REQUESTS:
        return None
    steady = _slopes(points, Fraction(2, 3), Fraction(1))
    earlier = _slopes(points, Fraction(1, 2), Fraction(3, 4))
    later = _slopes(points, Fraction(3, 4), Fraction(1))
    if not (steady and earlier and later):
        return None
    rises = min(steady) > 0
    per_request = round(statistics.median_low(steady)) if rises else 0
    return Growth(per_request, rises and _fall(earlier, later), whole)


def rise_of(points: Sequence[Point]) -> int | None:
    """The bytes a request that are more in use at the end than after a third of the requests.

    None for too few points. A large list makes room so rarely that it rises in few of them.
    """
    requests = points[-1][0] if points else 0
    first = next((point for point in points if point[0] * 3 >= requests), None)
    if first is None or first[0] == requests:
        return None
    return round((points[-1][1] - first[1]) / (requests - first[0]))


def _slopes(points: Sequence[Point], start: Fraction, end: Fraction) -> list[float]:
    """The slopes between points in a span of all requests, in bytes a request."""
    requests = points[-1][0]
    return [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in itertools.pairwise(points)
        if before[0] >= requests * start and after[0] <= requests * end
    ]


def _fall(earlier: Sequence[float], later: Sequence[float]) -> bool:
    """Whether slopes become less, however a quarter of the requests is summed up.

    A leak holds in one way at least. The mean is moved by a dict that makes room, which it does
    rarely. The median and the minimum are moved by a list, which makes room often.
    """
    ways = (min, statistics.median_low, statistics.fmean)
    return all(way(later) < way(earlier) * _FALLS for way in ways)
