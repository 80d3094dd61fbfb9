"""The traced round: one more worker, not measured, that keeps account of its page faults.

Runs in the pytest process.
"""

import os
import socket
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

from pytest_cowmem.explain.overlay import new_bytes, on_pages, overlay
from pytest_cowmem.explain.pages import Pages
from pytest_cowmem.explain.rows import Account, Growth, Trace, reading
from pytest_cowmem.explain.watch import Watch
from pytest_cowmem.host import answers
from pytest_cowmem.host.memory_map import draw
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.regions import Regions
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.zygote import messages

SLOWER = 4  # what a traced request may take, times an untraced one's


class TracedRound(Round):
    """A round whose worker is traced; `trace()` comes last.

    `requests` is how many the test will make, as far as is known.
    """

    reads_tree = False

    def __init__(
        self, master: Preforked, timeout: float, requests: int, *, draws: bool = False
    ) -> None:
        self._mark_at = max(1, requests // 3)  # growth counts from there, too
        self._warm: int | None = None
        self._maps = os.memfd_create("pytest-cowmem-maps")
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with far:
                fds = self._maps, far.fileno()
                super().__init__(master, timeout * SLOWER, messages.TRACED, fds, draws)
        except BaseException:
            near.close()
            os.close(self._maps)
            raise
        self._watch = Watch(self.pair.worker, near)

    def _become_ready(self) -> None:
        super()._become_ready()
        self._pages_at_ready = Pages.of(self.pair.worker, self.pair.twin)
        self._watch.begin()
        self.ask((messages.BEGIN,), answers.Begun)

    def served(self, requests: int) -> None:
        super().served(requests)
        if self._warm is None and self.requests >= self._mark_at:
            self._warm = self.requests
            self.ask((messages.MARK,), answers.Marked)

    def chunk(self, left: int) -> int:
        return left if self._warm is not None else min(left, self._mark_at - self.requests)

    def trace(self) -> Trace:
        """Ask worker and twin for all they have, the worker blocked after its last request.

        WorkerDied where the worker is gone, CannotMeasure where the twin fails.
        """
        self.begin("telling where its pages went")
        self.wait()
        # Answering costs the worker memory, so its pages are read first.
        worker, twin, ready = self.pair.worker, self.pair.twin, self._pages_at_ready
        pages = Pages.of(worker, twin).since(ready)
        drawn = tuple(draw(worker, twin, ready.all)) if self.draws else ()
        account = self.ask((messages.CHARGED,), answers.Charged).account
        if self._watch.failed is not None:
            raise CannotMeasure(
                f"the pages of the traced worker could not be read ({self._watch.failed}): "
                "see that nothing makes it undumpable (prctl PR_SET_DUMPABLE)"
            )
        private, copied = self._rows_of(pages.all), self._rows_of(pages.copied)
        charged = Account.of(account, private, copied, len(pages.all) - private.total())
        regions = Regions(self.pair.worker)
        held = self.master.ask_twin(messages.HELD, answers.Held).held
        grown = self.ask((messages.GROWN, held), answers.Grown)
        map_of_grown = self._map()
        types, modules = self.master.ask_twin(messages.MAP, answers.Mapped)
        old: set[int] = set()
        residents = on_pages(self._map(), pages.copied)
        objects = overlay(residents, types, modules, pages.copied, regions, old)
        reader, numbers = reading(charged.rows)
        its_pages = array("Q", [page for page in pages.copied if self._row_of(page) in numbers])
        read = overlay(residents, types, modules, its_pages, regions, set())
        new = new_bytes(map_of_grown, grown.names, pages, old)
        containers = _growths(grown.entries, new, grown.places)
        return Trace(
            self.requests,
            self._warm,
            charged,
            objects,
            containers,
            self.master.facts.modules,
            reader,
            read,
            drawn,
            {page: self._row_of(page) for page in pages.all} if drawn else {},
        )

    def _row_of(self, page: int) -> int:
        """The row of the worker's log that made a page private; -1 for none."""
        return self._watch.rows.get(page, -1)

    def _rows_of(self, pages: Iterable[int]) -> Counter[int]:
        """How many of these pages each row of the worker's log has."""
        rows = self._watch.rows
        return Counter(rows[page] for page in pages if page in rows)

    def end(self) -> int | None:
        if self.alive:
            self._watch.end()
            os.close(self._maps)
        return super().end()

    def _map(self) -> "array[int]":
        """The map that has just been written; its file is empty for the next."""
        records = array("Q")
        with open(self._maps, "rb", closefd=False) as file:
            file.seek(0)
            records.fromfile(file, os.fstat(self._maps).st_size // records.itemsize)
        os.ftruncate(self._maps, 0)
        os.lseek(self._maps, 0, os.SEEK_SET)
        return records


def _growths(
    grown: Mapping[str, tuple[int, int]],
    new: Mapping[str, int],
    filled: Mapping[str, tuple[str, int]],
) -> dict[str, Growth]:
    """The growth of each container: its entries, its new bytes, and where it is filled."""
    growths = {}
    for name, (before, after) in grown.items():
        path, line = filled.get(name, ("", 0))
        growths[name] = Growth(before, after, new.get(name, 0), path, line)
    return growths
