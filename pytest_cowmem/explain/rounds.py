"""The traced round: one more worker, not measured, that keeps account of its page faults. Runs in the pytest process."""

import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pytest_cowmem.explain.overlay import Overlay, new_bytes, overlay
from pytest_cowmem.host import answers
from pytest_cowmem.host.pages import Regions, private_pages
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.zygote import messages

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

    def __init__(self, master: Preforked, timeout: float, requests: int) -> None:
        self._mark_at = max(1, requests // 3)  # growth counts from there, too
        self._warm: int | None = None
        self._maps = os.memfd_create("pytest-cowmem-maps")
        try:
            super().__init__(master, timeout * SLOWER, self._maps)
        except BaseException:
            os.close(self._maps)
            raise

    def _become_ready(self) -> None:
        super()._become_ready()
        self._private_at_ready = private_pages(self.pair.worker, self.pair.twin)
        self.ask((messages.BEGIN,), answers.Begun)

    def served(self, requests: int) -> None:
        super().served(requests)
        if self._warm is None and self.requests >= self._mark_at:
            self._warm = self.requests
            self.ask((messages.MARK,), answers.Marked)

    def trace(self) -> Trace:
        """Ask worker and twin for all they can tell, the worker blocked after its last request."""
        self.begin("telling where its pages went")
        self._wait(self.pair.worker)
        pages = private_pages(self.pair.worker, self.pair.twin).since(self._private_at_ready)
        charged = self.ask((messages.CHARGED,), answers.Charged).account
        regions = Regions(self.pair.worker)
        before = self.master.ask_twin(messages.HELD, answers.Held).held
        grown, names, filled = self.ask((messages.GROWN, before), answers.Grown)
        held = self._drawn()
        types, modules = self.master.ask_twin(messages.MAP, answers.Mapped)
        addresses: set[int] = set()
        objects = overlay(self._drawn(), types, modules, pages.copied, regions, addresses)
        new = new_bytes(held, names, pages, addresses)
        containers = {
            name: (*entries, new.get(name, 0), *filled.get(name, ("", 0)))
            for name, entries in grown.items()
        }
        return Trace(
            self.requests, self._warm, charged, objects, containers, self.master.facts.modules
        )

    def end(self) -> int | None:
        if self.alive:
            os.close(self._maps)
        return super().end()

    def _drawn(self) -> "array[int]":
        """The map that has just been drawn; its file is empty for the next."""
        records = array("Q")
        with open(self._maps, "rb", closefd=False) as drawn:
            drawn.seek(0)
            records.fromfile(drawn, os.fstat(self._maps).st_size // records.itemsize)
        os.ftruncate(self._maps, 0)
        os.lseek(self._maps, 0, os.SEEK_SET)
        return records


_COSTS: "WeakKeyDictionary[Preforked, int]" = WeakKeyDictionary()


def empty_cost(master: Preforked, timeout: float) -> int:
    """Bytes that tracing itself makes private: of a traced worker that is asked for nothing."""
    if master not in _COSTS:
        with TracedRound(master, timeout, 0) as current:
            _COSTS[master] = current.private()
    return _COSTS[master]
