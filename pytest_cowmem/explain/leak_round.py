"""The leak round: one more worker, not measured, that tells which containers grow with requests.

Runs in the pytest process. It comes only where growth calls a leak.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_cowmem.host import answers
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.zygote import messages

_THIRDS = 3  # of the requests; it looks after each but the last
_SLOWER = 4  # what a request of the last third may take, times one that is not watched


class Keeper(NamedTuple):
    """A container that grows with requests.

    `traced` is the name that a traced round has for it, or "". `before` and `after` are its entries
    when ready and at the end, or its bytes where the `unit` is "bytes".
    `entries` and `bytes` are what it has more of a request. `path` and `line` are where the app
    fills it, "" and 0 where that is unknown. It can have no more entries than its `bound`, where
    that is known and not 0.
    """

    name: str
    traced: str
    before: int
    after: int
    unit: str
    entries: float
    bytes: int
    path: str
    line: int
    bound: int = 0


class Left(NamedTuple):
    """What requests leave behind: what keeps it, most bytes first, and the types of objects.

    `types` has names and objects a request, those of modules first.
    """

    keepers: tuple[Keeper, ...] = ()
    types: tuple[tuple[str, float], ...] = ()


NOTHING = Left()


class LeakRound(Round):
    """A round whose worker looks at what there is; `left()` comes last.

    `requests` is how many the test will make, as far as is known.
    """

    reads_tree = False

    def __init__(self, master: Preforked, timeout: float, requests: int) -> None:
        self._look_at = [-(-requests * part // _THIRDS) for part in range(1, _THIRDS)]
        self._looked_at = 0
        super().__init__(master, timeout * _SLOWER)

    def _become_ready(self) -> None:
        super()._become_ready()
        self._look()
        self._doing = "nothing"

    def _between_requests(self) -> None:
        if self._look_at and self.requests >= self._look_at[0]:
            self._looked_at = self.requests
            del self._look_at[0]
            self._look()

    def _look(self) -> None:
        self._doing = "telling what there is"
        self.ask((messages.LOOK, self.master.own), answers.Looked)

    def chunk(self, left: int) -> int:
        return min(left, self._look_at[0] - self.requests) if self._look_at else left

    def left(self) -> Left:
        """What the last third of the requests left behind; nothing where there were fewer."""
        self.begin("telling what is left")
        if self._look_at or self._looked_at == self.requests:
            return NOTHING
        told = self.ask((messages.LEFT,), answers.Left)
        requests = self.requests - self._looked_at
        types = [(name, _rate(more, requests)) for name, more in told.more]
        types.sort(key=lambda pair: ("." not in pair[0], -pair[1]))  # built-in ones say least
        return Left(tuple(_keeper(keeper, requests) for keeper in told.keepers), tuple(types))


def _keeper(told: Sequence[Any], requests: int) -> Keeper:
    """What zygote/trace/leaking.py told of a container, a request."""
    name, traced, ready, before, after, unit, size, place, bound = told
    path, line = place or ("", 0)
    entries = _rate(after - before, requests)
    return Keeper(name, traced, ready, after, unit, entries, size // requests, path, line, bound)


def _rate(more: int, requests: int) -> float:
    """How much more a request, with three digits."""
    return float(f"{more / requests:.3g}")
