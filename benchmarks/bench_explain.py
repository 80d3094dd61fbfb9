"""What explaining costs: the map of a million objects, and a traced scenario beside a plain one.

The map is laid over the pages that a worker copied.
"""

import os
import time

from common import measure, show, zygote

from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker

_WORDS = 3  # of the map for each object
COLUMNS = ["objects", "CPU s", "wall s", "pytest's bytes an object", "the twin's bytes an object"]


class Watched(TracedRound):
    """A traced round that keeps what the map took: time, objects, and bytes here and in the twin.

    The twin's map has the most objects.
    """

    def trace(self):
        procfs.reset_peak(os.getpid())
        before, _ = procfs.resident(os.getpid())
        twin_before, _ = procfs.resident(self.pair.twin)
        self.objects = 0
        wall, cpu = time.perf_counter(), self._cpu_seconds()
        trace = super().trace()
        self.wall, self.cpu = time.perf_counter() - wall, self._cpu_seconds() - cpu
        self.host = procfs.resident(os.getpid())[1] - before
        self.twin_bytes = procfs.resident(self.pair.twin)[1] - twin_before
        return trace

    def _cpu_seconds(self) -> float:
        pids = (os.getpid(), self.pair.twin, self.pair.worker)
        return sum(map(procfs.cpu_time, pids)) / 1e9

    def _map(self):
        records = super()._map()
        self.objects = max(self.objects, len(records) // _WORDS)
        return records


def main() -> None:
    maps, scenarios = [], []
    with zygote("million:app") as running:
        for _ in range(5):
            started = time.perf_counter()
            measure(running, lambda client: client.get("/"))
            measured = time.perf_counter() - started
            with CowWorker() as client, Watched(running, 600, 1) as current:
                client.enter_round(current)
                started = time.perf_counter()
                client.get("/")
                traced = time.perf_counter() - started
                current.trace()
            objects = current.objects
            here, there = current.host / objects, current.twin_bytes / objects
            maps.append([objects, current.cpu, current.wall, here, there])
            scenarios.append([measured, traced, traced / measured])
    show("The map of objects", maps, COLUMNS)
    title = "One request that reads 245,000 dicts"
    show(title, scenarios, ["measured round s", "traced request s", "ratio"])


if __name__ == "__main__":
    main()
