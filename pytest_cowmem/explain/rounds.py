"""The traced round: one more worker, not measured, that keeps account of its page faults.

Runs in the pytest process.
"""

import os
from array import array
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from pytest_cowmem.explain.overlay import new_bytes, overlay
from pytest_cowmem.explain.rows import Charged, Growth, Trace
from pytest_cowmem.host.handle import Zygote
from pytest_cowmem.host.pages import Pages, Regions
from pytest_cowmem.host.round import Round
from pytest_cowmem.zygote import wire

SLOWER = 4  # what a traced request may take, times an untraced one's

_costs: WeakKeyDictionary[Zygote, int] = WeakKeyDictionary()  # by zygote, in bytes; see empty_cost


class TracedRound(Round):
    """A round whose worker is traced; `trace()` comes last.

    `requests` is how many the test will make, as far as is known.
    """

    def __init__(self, zygote: Zygote, timeout: float, requests: int) -> None:
        self._mark_at = max(1, requests // 3)  # growth counts from there, too
        self._warm: int | None = None
        self._maps = os.memfd_create("pytest-cowmem-maps")
        try:
            super().__init__(zygote, timeout * SLOWER, self._maps)
        except BaseException:
            os.close(self._maps)
            raise

    def _become_ready(self) -> None:
        super()._become_ready()
        self._pages_at_ready = Pages.of(self.worker.pid, self.twin)
        self._ask_worker("begin")

    def served(self, requests: int) -> None:
        super().served(requests)
        if self._warm is None and self.requests >= self._mark_at:
            self._warm = self.requests
            self._ask_worker("mark")

    def trace(self) -> Trace:
        """Ask worker and twin for all they can tell, the worker blocked after its last request.

        WorkerDied where the worker is gone, CannotMeasure where the twin fails to draw.
        """
        self.begin("telling where its pages went")
        self._wait(self.worker.pid)
        # Answering costs the worker memory, so its pages are read first.
        pages = Pages.of(self.worker.pid, self.twin).since(self._pages_at_ready)
        (told,) = self._ask_worker("charged")
        charged = Charged.of(told)
        regions = Regions(self.worker.pid)
        (held_at_fork,) = self.zygote.ask_twin("held")[1:]
        grown, names, filled = self._ask_worker("held", held_at_fork)
        held = self._drawn()
        types, modules = self.zygote.ask_twin("draw")[1:]
        old: set[int] = set()
        objects = overlay(self._drawn(), types, modules, pages.copied, regions, old)
        containers = _growths(grown, new_bytes(held, names, pages, old), filled)
        return Trace(self.requests, self._warm, charged, objects, containers, self.zygote.modules)

    def end(self) -> int | None:
        if self.alive:
            os.close(self._maps)
        return super().end()

    def _ask_worker(self, *message: Any) -> wire.Message:
        """What the worker answers to a message that only a traced one gets, without its kind."""
        self.send(message)
        answer = self.receive()
        assert isinstance(answer, tuple)
        return answer[1:]

    def _drawn(self) -> "array[int]":
        """The map that has just been drawn; its file is empty for the next."""
        records = array("Q")
        with open(self._maps, "rb", closefd=False) as drawn:
            drawn.seek(0)
            records.fromfile(drawn, os.fstat(self._maps).st_size // records.itemsize)
        os.ftruncate(self._maps, 0)
        os.lseek(self._maps, 0, os.SEEK_SET)
        return records


def _growths(
    grown: Mapping[str, tuple[int, int]],
    new: Mapping[str, int],
    filled: Mapping[str, tuple[str, int]],
) -> dict[str, Growth]:
    """What was told of each container: its entries, its new bytes, and where it is filled."""
    growths = {}
    for name, (before, after) in grown.items():
        path, line = filled.get(name, ("", 0))
        growths[name] = Growth(before, after, new.get(name, 0), path, line)
    return growths


def empty_cost(zygote: Zygote, timeout: float) -> int:
    """Bytes that tracing itself makes private, measured once a zygote.

    They are those of a traced worker that is asked for nothing.
    """
    if zygote not in _costs:
        with TracedRound(zygote, timeout, 0) as current:
            _costs[zygote] = current.private()
    return _costs[zygote]
