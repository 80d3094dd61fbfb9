"""What explaining costs: the map of a million objects laid over a worker's copied pages, and a traced scenario beside an untraced one."""

import os
import time

from common import measure, show, zygote

from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker

_WORDS = 3  # to an object in the map


class Watched(TracedRound):
    """A traced round that keeps how long the map took and what it had to hold; most records are the twin's."""

    def trace(self):
        procfs.reset_peak(os.getpid())
        before, _ = procfs.resident(os.getpid())
        twin_before, _ = procfs.resident(self.pair.twin)
        self.objects = 0
        wall, cpu = time.perf_counter(), self._cpu_seconds()
        trace = super().trace()
        self.wall, self.cpu = time.perf_counter() - wall, self._cpu_seconds() - cpu
        self.host = procfs.resident(os.getpid())[1] - before
        self.drawing = procfs.resident(self.pair.twin)[1] - twin_before
        return trace

    def _cpu_seconds(self) -> float:
        return sum(procfs.cpu_time(pid) for pid in (os.getpid(), self.pair.twin, self.pair.worker)) / 1e9

    def _drawn(self):
        records = super()._drawn()
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
            maps.append(
                [
                    objects,
                    current.cpu,
                    current.wall,
                    current.host / objects,
                    current.drawing / objects,
                ]
            )
            scenarios.append([measured, traced, traced / measured])
    headers = [
        "objects",
        "CPU s",
        "wall s",
        "pytest's bytes an object",
        "the twin's bytes an object",
    ]
    show("The map of objects", maps, headers)
    show(
        "One request that reads 245,000 dicts",
        scenarios,
        ["measured round s", "traced request s", "ratio"],
    )


if __name__ == "__main__":
    main()
