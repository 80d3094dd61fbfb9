"""The growth round: one more worker, which tells between requests how many bytes are in use.

Runs in the pytest process. What it takes to tell is in all other figures, so they are not measured.
"""

from pytest_cowmem.host import answers
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.growth import PARTS, Growth, Point, growth_of, rise_of
from pytest_cowmem.zygote import messages


class GrowthRound(Round):
    """A round whose worker tells what is in use; `growth()` comes last.

    `requests` is how many the test will make, as far as is known.
    """

    reads_tree = False

    def __init__(self, master: Preforked, timeout: float, requests: int) -> None:
        self._expected = requests
        self._points: list[Point] = []
        self._told = answers.Used(None, None)
        super().__init__(master, timeout)

    def _become_ready(self) -> None:
        super()._become_ready()
        self._read()

    def _between_requests(self) -> None:
        if self.requests >= self._due:
            self._read()

    def chunk(self, left: int) -> int:
        return min(left, self._due - self.requests)

    def growth(self) -> Growth | None:
        """What stays in use a request; None where no allocator tells, or after too few requests."""
        self._read_last()
        if self._told == answers.Used(None, None):
            return None
        return growth_of(self._points, whole=self._told.libc is not None)

    def rise(self) -> int | None:
        """What more is in use a request at the end than after a third; None after too few."""
        self._read_last()
        return rise_of(self._points)

    def _read_last(self) -> None:
        self._end_response()
        if self.requests > self._points[-1][0]:
            self._read()

    @property
    def _due(self) -> int:
        """After how many requests to read again: at the end of each part of them."""
        part = len(self._points)
        return max(self._points[-1][0] + 1, -(-part * self._expected // PARTS))

    def _read(self) -> None:
        self._doing = "telling what is in use"
        self._told = told = self.ask((messages.USE,), answers.Used)
        self._points.append((self.requests, (told.pymalloc or 0) + (told.libc or 0)))
