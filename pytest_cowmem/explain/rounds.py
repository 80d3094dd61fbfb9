"""The traced round: one more worker, not measured, that keeps account of its page faults. Runs in the pytest process."""

import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_cowmem.explain.overlay import Overlay, new_bytes, overlay
from pytest_cowmem.host.handle import Zygote
from pytest_cowmem.host.pages import Pages, Regions
from pytest_cowmem.host.round import Round
from pytest_cowmem.zygote import wire

SLOWER = 4  # what a traced request may take, times an untraced one's


@dataclass(frozen=True)
class Trace:
    """What a traced round told.

    `charged` is as zygote/trace/lines.py gives it, in pages. `warm` is how many requests came before its mark, None where there was none.
    `loaded` are the modules that the zygote had.
    `containers` maps names to (entries at the fork, entries at the end, bytes of what is new in them, file, line that fills them).
    """

    requests: int
    warm: int | None
    charged: Mapping[str, Any]
    objects: Overlay
    containers: Mapping[str, tuple[int, int, int, str, int]]
    loaded: frozenset[str]


class TracedRound(Round):
    """A round whose worker is traced; `trace()` comes last. `requests` is how many there will be, as far as is known."""

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
        self._private_at_ready = Pages.of(self.worker.pid, self.twin)
        self._ask_worker("begin")

    def served(self, requests: int) -> None:
        super().served(requests)
        if self._warm is None and self.requests >= self._mark_at:
            self._warm = self.requests
            self._ask_worker("mark")

    def trace(self) -> Trace:
        """Ask worker and twin for all they can tell, the worker blocked after its last request."""
        self.begin("telling where its pages went")
        self._wait(self.worker.pid)
        pages = Pages.of(self.worker.pid, self.twin).since(self._private_at_ready)
        (charged,) = self._ask_worker("charged")
        regions = Regions(self.worker.pid)
        (before,) = self.zygote.ask_twin("held")[1:]
        grown, names, filled = self._ask_worker("held", before)
        held = self._drawn()
        types, modules = self.zygote.ask_twin("draw")[1:]
        addresses: set[int] = set()
        objects = overlay(self._drawn(), types, modules, pages.copied, regions, addresses)
        new = new_bytes(held, names, pages, addresses)
        containers = {
            name: (*entries, new.get(name, 0), *filled.get(name, ("", 0)))
            for name, entries in grown.items()
        }
        return Trace(self.requests, self._warm, charged, objects, containers, self.zygote.modules)

    def end(self) -> int | None:
        if self.alive:
            os.close(self._maps)
        return super().end()

    def _ask_worker(self, *message: Any) -> wire.Message:
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


def empty_cost(zygote: Zygote, timeout: float) -> int:
    """Bytes that tracing itself makes private: those of a traced worker that is asked for nothing."""
    if zygote.tracing_cost is None:
        with TracedRound(zygote, timeout, 0) as current:
            zygote.tracing_cost = current.private()
    return zygote.tracing_cost
