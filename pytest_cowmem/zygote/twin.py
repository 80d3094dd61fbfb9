"""A round's twin: fork the worker, then stay idle until asked to reap it. Runs in the twin.

The twin does what a round takes, so that the zygote stays as it is and every round starts from the
same image. A zygote that handled the round's messages moved its free lists from fork to fork. A
Flask worker's private memory moved with them, by up to 7 pages.
"""

import os
import socket
import sys
from collections.abc import Callable

from pytest_cowmem.zygote import messages, process, wire, worker
from pytest_cowmem.zygote.errors import described
from pytest_cowmem.zygote.forks import fork_into, wait


def be_twin(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """Fork a worker on the socket that comes along for it, and hold its image untouched."""
    (fd,) = wire.receive_fds(control, 1)
    live(control, fd, lambda far: worker.work(far, preloaded))


def be_twin_of_mold(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """The same with a mold, which forks the worker and becomes its twin (mold.py)."""
    (fd,) = wire.receive_fds(control, 1)

    def be_mold(far: socket.socket) -> None:
        from pytest_cowmem.zygote import mold  # into no other process

        mold.be_mold(far, preloaded)

    live(control, fd, be_mold)


def be_traced_twin(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """The same with a worker that keeps account of its page faults.

    The twin answers about objects until it is asked to reap the worker. It forks none where a
    module cannot be found that is to be the app's own.
    """
    fd, maps, watch = wire.receive_fds(control, 3)
    _, names = wire.receive_message(control)
    loaded = frozenset(sys.modules)
    from pytest_cowmem.zygote.trace import lines, own, traced_round  # only where a round is traced

    try:
        roots = own.own_roots(names, preloaded.path, preloaded.target)
    except LookupError as error:
        wire.send(control, (messages.UNKNOWN, error.args[0]))
        return

    def be_worker(far: socket.socket) -> None:
        lines.arm()
        preloaded.app = preloaded.interface.listening(preloaded.app, lines.listen)
        worker.work(far, preloaded)

    traced_round.prepare(maps, watch, roots)
    live(control, fd, be_worker, lambda kind: traced_round.answer_in_twin(kind, loaded))


def _answer_nothing(kind: str) -> wire.Message:
    raise ValueError(f"only the twin of a traced worker answers {kind!r}")


def live(
    control: socket.socket,
    fd: int,
    life: Callable[[socket.socket], None],
    answer: Callable[[str], wire.Message] = _answer_nothing,
) -> None:
    """Fork a worker that leads its `life` on the socket `fd`, and reap it when asked to.

    The twin answers what is asked until then.
    """
    pid = _fork_worker(control, fd, life)
    try:
        while (kind := wire.receive_message(control)[0]) != messages.REAP:
            try:
                message = answer(kind)
            except Exception as error:
                message = (messages.FAILED, *described(error))
            wire.send(control, message)
    except EOFError:  # the pytest process is gone
        process.end_children()
        return
    code = wait(pid)
    process.end_children()  # what the worker left running
    wire.send(control, (messages.REAPED, code))


def _fork_worker(control: socket.socket, fd: int, life: Callable[[socket.socket], None]) -> int:
    """Fork a worker, and name it to the pytest process; its pid."""

    def be_worker() -> None:
        control.close()
        life(far)

    process.adopt_orphans()
    with socket.socket(fileno=fd) as far:
        pid = fork_into(be_worker)
    wire.send(control, (messages.FORKED, os.getpid(), pid))
    return pid
