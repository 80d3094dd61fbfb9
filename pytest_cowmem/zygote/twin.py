"""A round's twin: fork the worker, then stay idle until told to reap it. Runs in the twin.

The twin does what a round takes, so that the zygote stays as it is and every round starts from the
same image. With the round's messages handled in the zygote, the free lists moved from fork to fork,
and a Flask worker's private memory with them, by up to 7 pages.
"""

import gc
import os
import socket
import sys
from collections.abc import Callable

from pytest_cowmem.zygote import messages, process, wire, worker
from pytest_cowmem.zygote.errors import told
from pytest_cowmem.zygote.forks import fork_into, wait


def be_twin(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """Fork a worker on the socket that comes along for it, and hold its image untouched."""
    (fd,) = wire.receive_fds(control, 1)
    pid = _fork_worker(control, fd, lambda far: worker.work(far, preloaded))
    try:
        wire.receive(control)
    except EOFError:  # the pytest process is gone
        process.end_children()
        return
    _reap(control, pid)


def be_traced_twin(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """The same with a worker that keeps account of its page faults.

    The twin answers about objects until it is told to reap the worker.
    """
    fd, maps = wire.receive_fds(control, 2)
    allocated, loaded = gc.get_count()[0], frozenset(sys.modules)
    from pytest_cowmem.zygote.trace import afternoon

    def be_worker(far: socket.socket) -> None:
        afternoon.arm()
        preloaded.app = afternoon.attended(preloaded.app)
        worker.work(far, preloaded)

    roots = [*preloaded.path, *afternoon.app_folders(preloaded.target)]
    afternoon.prepare(maps, roots, allocated)
    pid = _fork_worker(control, fd, be_worker)
    try:
        while (kind := wire.receive_message(control)[0]) != messages.REAP:
            try:
                answer = afternoon.answer_in_twin(kind, loaded)
            except Exception as error:
                answer = (messages.FAILED, *told(error))
            wire.send(control, answer)
    except EOFError:  # the pytest process is gone
        process.end_children()
        return
    _reap(control, pid)


def _fork_worker(control: socket.socket, fd: int, life: Callable[[socket.socket], None]) -> int:
    """Fork a worker that leads its `life` on the socket `fd`, and tell the pytest process; its pid."""

    def be_worker() -> None:
        control.close()
        life(far)

    process.adopt_orphans()
    with socket.socket(fileno=fd) as far:
        pid = fork_into(be_worker)
    wire.send(control, (messages.FORKED, os.getpid(), pid))
    return pid


def _reap(control: socket.socket, pid: int) -> None:
    """Wait for the worker's end, end what it left running, and tell the pytest process its code."""
    code = wait(pid)
    process.end_children()
    wire.send(control, (messages.REAPED, code))
