"""A worker and its twin, which draws the map of objects. Run as a program, it is the process they are forked from.

python drawn_forks.py CONTROL_FD MODULE MAP
"""

import gc
import importlib
import os
import socket
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_cowmem.host.pages import Pages, Regions
from pytest_cowmem.zygote import master, wire


@dataclass
class Drawn:
    """What the host has in the end: the map, the pages that became private, the worker's regions, what the twin said beside."""

    records: "array[int]"
    types: list[str]
    modules: list[str]
    pages: Pages
    regions: Regions
    beside: Any


@contextmanager
def asking(control: socket.socket) -> Iterator[Any]:
    def ask(*message: Any) -> Any:
        wire.send(control, message)
        return wire.receive(control)

    with control:
        yield ask


def drawn(module: str, function: str, folder: Path) -> Drawn:
    """Fork a worker that runs `function` of `module`, and have its twin draw."""
    near, far = socket.socketpair()
    path = folder / "map"
    with far:
        process = subprocess.Popen(
            [sys.executable, __file__, str(far.fileno()), module, str(path)],
            pass_fds=(far.fileno(),),
        )
    with process, asking(near) as ask:
        worker, twin = ask("fork")
        before = Pages.of(worker, twin)
        ask("run", function)
        pages = Pages.of(worker, twin).since(before)
        regions = Regions(worker)
        types, modules, beside = ask("draw")
        records = array("Q")
        records.frombytes(path.read_bytes())
        return Drawn(records, types, modules, pages, regions, beside)


def work(sock: socket.socket, module: Any) -> None:
    wire.send(sock, ("ready",))
    while True:
        try:
            (function,) = wire.receive(sock)
        except EOFError:
            return
        getattr(module, function)()
        wire.send(sock, ("done",))


def draw(sock: socket.socket, module: Any, path: str) -> None:
    wire.send(sock, ("ready",))
    wire.receive(sock)
    loaded = frozenset(sys.modules)
    from pytest_cowmem.zygote.trace import containers, objects

    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    assert containers.draw_grown(fd, ({}, {}, sorted(loaded)), [], bool)[0]
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    types, modules = objects.draw(fd, loaded)
    wire.send(sock, (types, modules, module.told() if hasattr(module, "told") else None))


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    module = importlib.import_module(sys.argv[2])
    gc.freeze()
    sockets = [socket.socketpair() for _ in range(2)]
    (twin_near, twin_far), (worker_near, worker_far) = sockets

    def be_worker() -> None:
        worker_near.close()
        twin_far.close()  # so that the end of the twin is seen
        work(worker_far, module)

    wire.receive(control)
    twin = master.fork_into(lambda: draw(twin_far, module, sys.argv[3]))
    worker = master.fork_into(be_worker)
    twin_far.close()
    for near in (
        twin_near,
        worker_near,
    ):  # what they write as they start is not what the function writes
        wire.receive(near)
    wire.send(control, (worker, twin))
    _, function = wire.receive(control)
    wire.send(worker_near, (function,))
    wire.send(control, wire.receive(worker_near))
    wire.receive(control)
    wire.send(twin_near, ("draw",))
    wire.send(control, wire.receive(twin_near))
    worker_near.close()
    master.wait(worker)
    master.wait(twin)


if __name__ == "__main__":
    main()
