"""A worker and its twin, which writes the map of objects.

Run as a program, it is the process that both are forked from:

python mapped_forks.py CONTROL_FD MODULE MAP
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

from pytest_cowmem.explain.pages import Pages
from pytest_cowmem.host.regions import Regions
from pytest_cowmem.zygote import forks, wire


@dataclass
class Mapped:
    """What the host has in the end.

    `records` are the map. `pages` became private in the worker while the function ran. `beside` is
    what the module's `told()` returned.
    """

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


def mapped(module: str, function: str, folder: Path) -> Mapped:
    """Fork a worker that runs `function` of `module`, and have its twin write its map."""
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
        types, modules, beside = ask("map")
        records = array("Q")
        records.frombytes(path.read_bytes())
        return Mapped(records, types, modules, pages, regions, beside)


def work(sock: socket.socket, module: Any) -> None:
    wire.send(sock, ("ready",))
    while True:
        try:
            (function,) = wire.receive(sock)
        except EOFError:
            return
        getattr(module, function)()
        wire.send(sock, ("done",))


def write_map(sock: socket.socket, module: Any, path: str) -> None:
    wire.send(sock, ("ready",))
    wire.receive(sock)
    loaded = frozenset(sys.modules)
    from pytest_cowmem.zygote.trace import containers, filling, objects

    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    search = filling.FillSearch([], {})
    assert containers.write_grown(fd, ({}, {}, sorted(loaded), []), search, bool)[0]
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    types, modules = objects.write_map(fd, loaded)
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
    twin = forks.fork_into(lambda: write_map(twin_far, module, sys.argv[3]))
    worker = forks.fork_into(be_worker)
    twin_far.close()
    for near in (twin_near, worker_near):  # what they write as they start is not the function's
        wire.receive(near)
    wire.send(control, (worker, twin))
    _, function = wire.receive(control)
    wire.send(worker_near, (function,))
    wire.send(control, wire.receive(worker_near))
    wire.receive(control)
    wire.send(twin_near, ("map",))
    wire.send(control, wire.receive(twin_near))
    worker_near.close()
    forks.wait(worker)
    forks.wait(twin)


if __name__ == "__main__":
    main()
