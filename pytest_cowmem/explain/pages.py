"""Which pages a worker has to itself. Runs in the pytest process.

Sources: as in host/procfs.py.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path

from pytest_cowmem.host import procfs


@dataclass(frozen=True)
class Pages:
    """A worker's private pages: sorted page numbers, which are addresses divided by the page size.

    The twin has a page at the same address for those `copied`, and none for those `fresh`.
    """

    copied: "array[int]"
    fresh: "array[int]"

    @classmethod
    def of(cls, worker: int, twin: int, proc: Path = procfs.PROC) -> "Pages":
        """The worker's own pages that nobody shares. OSError where the kernel does not say."""
        pages = cls(array("Q"), array("Q"))
        for first, own, in_twin in procfs.private_ranges(worker, twin, proc):
            offset = own.find(1)
            while offset >= 0:
                kind = pages.copied if in_twin[offset] else pages.fresh
                kind.append(first + offset)
                offset = own.find(1, offset + 1)
        return pages

    @property
    def all(self) -> "array[int]":
        """Both."""
        return self.copied + self.fresh

    def since(self, before: "Pages") -> "Pages":
        """Those that have come since `before`."""
        old = {*before.copied, *before.fresh}
        copied = array("Q", [page for page in self.copied if page not in old])
        fresh = array("Q", [page for page in self.fresh if page not in old])
        return Pages(copied, fresh)
