"""Forks of a program with a known cause, traced and not.

Run as a program, it is the process that they are forked from:

python traced_forks.py CONTROL_FD MODULE
"""

import importlib
import os
import resource
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_cowmem.host import procfs
from pytest_cowmem.zygote import forks, process, wire
from pytest_cowmem.zygote.trace import lines
from pytest_cowmem.zygote.trace.faults import CALLED

HERE = Path(__file__).parent
NOBODY = -1  # who looks at a traced fork

Function = Callable[[], Any]


class Parent:
    """The handle of the process that forks."""

    def __init__(self, module: str) -> None:
        self.control, far = socket.socketpair()
        with far, process.fixed_addresses():
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(far.fileno()), module],
                pass_fds=(far.fileno(),),
                env=os.environ | {"PYTHONHASHSEED": "0"},
            )
        wire.receive(self.control)

    def __enter__(self) -> "Parent":
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.process.wait()

    def private(self, function: str) -> int:
        """Growth of Private_Dirty in an untraced fork that runs `function`, in bytes."""
        return int(self._ask("untraced", function)[0])

    def traced(self, function: str) -> "dict[str, Any]":
        """What the tracer tells of a fork that runs `function`."""
        told: dict[str, Any] = self._ask("traced", function)[1]
        return told

    def prepared(self, function: str) -> "tuple[int, int]":
        """What the twin of a traced worker has: code objects, and rows that `function` added."""
        codes, rows = self._ask("prepared", function)
        return codes, rows

    def _ask(self, *message: str) -> Any:
        wire.send(self.control, message)
        return wire.receive(self.control)


def run_fork(life: "Callable[[socket.socket], Any]") -> "tuple[int, Any]":
    """Fork a twin and a worker.

    Returns how much Private_Dirty grew between the worker's first two messages, and its third.
    """
    near, far = socket.socketpair()
    rest, wake = os.pipe()
    twin = forks.fork_into(lambda: (os.close(wake), os.read(rest, 1)))
    pid = forks.fork_into(lambda: life(far))
    try:
        wire.receive(near)
        before = procfs.memory(pid).private_dirty
        wire.send(near, ("go",))
        wire.receive(near)
        growth = procfs.memory(pid).private_dirty - before
        wire.send(near, ("end",))
        (told,) = wire.receive(near)
    finally:
        for fd in (rest, wake):
            os.close(fd)
        near.close()
        far.close()
        forks.wait(pid)
        forks.wait(twin)
    return growth, told


def untraced(function: Function) -> "tuple[int, Any]":
    return run_fork(lambda sock: live(sock, function, os.getpid, os.getpid))


def traced(function: Function) -> "tuple[int, Any]":
    """The traced worker is a fork of a fork, which prepares."""
    near, far = socket.socketpair()

    def worker(sock: socket.socket) -> None:
        lines.arm()
        live(sock, function, lines.begin, charged)

    def between() -> None:
        lines.prepare([str(HERE)], NOBODY)
        wire.send(far, run_fork(worker))

    with near, far:
        pid = forks.fork_into(between)
        told = wire.receive(near)
        forks.wait(pid)
    return told


def charged() -> "dict[str, Any]":
    """What the tracer tells, with its rows added up, and pages that it does not tell:

    lines        [(the seven words of a place, pages since the mark, pages)], most first
    collections  [(generation, the seven words of a place, collections, pages)], most first
    tracer       the tracer's own faults, as far as it saw them
    total        all minor faults of the process
    """
    lines._tracer.settle()
    total = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - lines._begun
    told = lines.disarm()
    of_lines: Counter[Any] = Counter()
    late: Counter[Any] = Counter()
    of_collections: Counter[Any] = Counter()
    times: Counter[Any] = Counter()
    for _, collection, is_late, faults, *place in told["rows"]:
        if collection:
            of_collections[collection % CALLED - 1, *place] += faults
            times[collection % CALLED - 1, *place] += 1
        else:
            of_lines[tuple(place)] += faults
            late[tuple(place)] += faults * is_late
    told["lines"] = [(*place, late[place], pages) for place, pages in of_lines.most_common()]
    told["collections"] = [
        (*place, times[place], pages) for place, pages in of_collections.most_common()
    ]
    told["tracer"] = sum(thread.own for thread in lines._tracer.threads)
    return told | {"total": total}


def prepared(function: Function) -> "tuple[int, int]":
    """A fork that prepares, and runs `function` itself."""
    near, far = socket.socketpair()

    def twin() -> None:
        lines.prepare([str(HERE)], NOBODY)
        codes = len(lines._tracer.codes)
        function()
        lines.hush()
        wire.send(far, (codes, len(list(lines._tracer.log.rows()))))

    with near, far:
        pid = forks.fork_into(twin)
        told = wire.receive(near)
        forks.wait(pid)
    return told


def live(sock: socket.socket, function: Function, begin: Function, finish: Function) -> None:
    wire.send(sock, ("ready",))
    wire.receive(sock)
    begin()
    function()
    told = finish()
    wire.send(sock, ("done",))
    wire.receive(sock)
    wire.send(sock, (told,))


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    module = importlib.import_module(sys.argv[2])
    run = {"traced": traced, "untraced": untraced, "prepared": prepared}
    for _ in range(2):
        untraced(os.getpid)
    wire.send(control, ("started",))
    while True:
        try:
            kind, function = wire.receive(control)
        except EOFError:
            return
        wire.send(control, run[kind](getattr(module, function)))


if __name__ == "__main__":
    main()
