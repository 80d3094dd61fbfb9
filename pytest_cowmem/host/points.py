"""When a worker's memory is read between requests, and what it was. Runs in the pytest process.

It is read after the first request, and then ever more rarely: a reading takes milliseconds.
"""

from pytest_cowmem.model.growth import Point

_MOST_POINTS = 24
# Growth needs five points: the last two thirds of any burst have as many between these chunks.
_BURST_CHUNKS = 7


class Points:
    """Private bytes after so many requests, at most _MOST_POINTS of them."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._stride = 1

    def are_due(self, requests: int) -> bool:
        """Whether to read memory after so many requests."""
        last = self._points[-1][0] if self._points else 0
        return requests >= last + self._stride

    def add(self, requests: int, private: int) -> None:
        """Keep a point; of too many points every other is dropped."""
        self._points.append((requests, private))
        if len(self._points) > _MOST_POINTS:
            self._points[1:] = self._points[2::2]
            self._stride *= 2

    def chunk(self, requests: int, times: int, left: int) -> int:
        """How many of the `left` requests of a burst of `times` to make before the next reading."""
        if not requests:
            return 1
        return min(left, max(self._stride, -(-times // _BURST_CHUNKS)))

    def all(self) -> tuple[Point, ...]:
        """(requests, private bytes), in the order they came."""
        return tuple(self._points)
