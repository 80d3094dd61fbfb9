"""What a worker's forks take, of which it is known what each writes to.

First memory that the worker makes and its forks read or write, beside the numbers of the page
frames, where the kernel shows them (CAP_SYS_ADMIN). Then a data set that forks iterate over.
"""

import os
import struct

from common import measure, show, zygote

from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygote import Zygote

MIB = 2**20
FORKS = 4
ROUNDS = 10
KNOWN = ((8, 0), (8, 2), (8, 8), (64, 16))  # MiB that the worker makes, and each fork writes
WAYS = ("iterate_over_objects", "iterate_over_packed")


def frames(*pids: int) -> set[int]:
    """Return the page frames of processes that no file backs (pagemap.rst: 55 bits, PM_FILE)."""
    found = set()
    for pid in pids:
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
            for start, end, _ in procfs.ranges(pid):
                count = (end - start) // procfs.PAGE * 8
                text = os.pread(pagemap.fileno(), count, start // procfs.PAGE * 8)
                for (entry,) in struct.iter_unpack("Q", text):
                    if entry >> 63 and not entry >> 61 & 1:
                        found.add(entry & (1 << 55) - 1)
    return found


def own_frames(current: Round) -> int:
    """Return how many frames the worker and its descendants have, and nobody else."""
    twin, master = current.pair.twin, current.master.pid
    return len(frames(*procfs.descendants(twin)) - frames(twin, master))


def known(running: Zygote, made: int, each: int) -> list[object]:
    """Return a row for a program whose worker makes so much, and whose forks write to some."""
    told, counted = [], []
    for _ in range(ROUNDS):
        with CowWorker() as client, Round(running, 600) as current:
            client.enter_round(current)
            before = own_frames(current)
            client.call("dataset:forks_that_stay", made, FORKS, each)
            told.append(current.private() // procfs.PAGE)
            counted.append(own_frames(current) - before)
    error = max(abs(one - other) for one, other in zip(told, counted, strict=True))
    expected = (made + FORKS * each) * MIB // procfs.PAGE
    return [made, each, expected, min(told), max(told), max(counted), error]


def children(running: Zygote, function: str, forks: int) -> float:
    """Return the MiB of forks that do what a function does."""
    sample = measure(running, lambda client: client.call("dataset:epoch", function, forks))
    return sample.values["children"] / MIB


def main() -> None:
    with zygote("dataset:app", tree=True) as running:
        rows = [known(running, *sizes) for sizes in KNOWN]
        headers = ["made, MiB", "written by each", "pages of these", "private, least", "most"]
        show(f"A worker and {FORKS} forks that stay", rows, [*headers, "frames", "largest error"])
        rows = []
        for way in WAYS:
            beyond = [
                children(running, way, count) - children(running, "nothing", count)
                for count in (1, FORKS)
            ]
            rows.append([way, *beyond, children(running, "nothing", 1)])
        size = running.size / MIB
        headers = ["what each does", "1 fork, MiB", f"{FORKS} forks", "a fork that does nothing"]
        show(f"A data set in a master of {size:.0f} MiB", rows, headers)


if __name__ == "__main__":
    main()
