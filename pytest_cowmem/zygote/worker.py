"""One round's life: get ready, then serve requests until the socket closes. Runs in the worker."""

import gc
import pickle
import socket
import sys
from collections.abc import Callable
from typing import Any

from pytest_cowmem.zygote import messages, pauses, wire
from pytest_cowmem.zygote.serve import loop
from pytest_cowmem.zygote.serve.call import serve_call
from pytest_cowmem.zygote.serve.interfaces import Interface
from pytest_cowmem.zygote.serve.load import load

_MOST_BYTES_OF_AN_ANSWER = 4096
_CALL = (messages.CALL, "gc:isenabled", pickle.dumps(((), {})), 1, 60)


class Preloaded:
    """What a zygote has for every worker.

    `target` and `path` are the app's name and the folders of its code. `after_fork` names a
    function for each worker to call, or is None. `gc` is the app's GC policy, and `collects` says
    whether workers collect. `table` is where collections are counted.
    """

    def __init__(self, app: Any, interface: Interface, config: "dict[str, Any]") -> None:
        self.app = app
        self.interface = interface
        self.target: str = config["target"]
        self.path: list[str] = config["path"]
        self.after_fork: str | None = config["after_fork"]
        self.gc: str = config["gc"]
        self.collects = True
        self.table: "memoryview[float]" = memoryview(b"")


def work(sock: socket.socket, preloaded: Preloaded) -> None:
    """Serve this worker's round.

    The first exchange is the harness's own. The worker is ready when it is over.
    """
    interface = preloaded.interface
    rehearse(interface, 1)
    if preloaded.collects:
        gc.enable()
    if preloaded.after_fork:
        load(preloaded.after_fork)()
    served = interface.start(preloaded.app)
    pauses.start_phase()
    pauses.arm(preloaded.table)
    wire.send(sock, (messages.ALIVE,))
    if handle(sock, interface, interface.quiet(served)):
        while handle(sock, interface, served):
            pass


def rehearse(interface: Interface, times: int) -> None:
    """Serve itself a message of every kind, so that the harness's own pages are written.

    The worker does so before it is ready. The zygote does so to let CPython specialise the
    harness's code, which writes to it, once for all forks.
    """
    near, far = socket.socketpair()
    served = interface.start(interface.quiet_app)
    with near, far:
        for _ in range(times):
            for message, body in (*interface.REHEARSALS, (_CALL, ())):
                wire.send(near, message)
                for piece in body:
                    wire.send_bytes(near, piece)
                handle(far, interface, served)
                near.recv(_MOST_BYTES_OF_AN_ANSWER)
    interface.stop(served)


def handle(sock: socket.socket, interface: Interface, served: Any) -> bool:
    """Serve one message; False when the pytest process has closed its end."""
    try:
        kind, *fields = wire.receive_message(sock)
    except EOFError:
        return False
    if kind == messages.REQUEST:
        interface.serve_request(sock, served, *fields)
    elif kind == messages.BURST:
        interface.serve_burst(sock, served, *fields)
    elif kind == messages.LEAVE:
        interface.stop(served)
        wire.send(sock, (messages.ALIVE,))
    else:
        OTHERS[kind](sock, *fields)
    sys.stdout.flush()
    return True


def _tell_modules(sock: socket.socket) -> None:
    wire.send(sock, (messages.LOADED, list(sys.modules), pauses.armed(), loop.left()))


def _ignore(_sock: socket.socket) -> None:
    """A client that went away after the response's end is no news."""


def _plant(sock: socket.socket, kind: str, pages: int) -> None:
    from pytest_cowmem.zygote import plant  # only where the gate is being proved

    wire.send(sock, (messages.PLANTED, plant.plant(kind, pages)))


def _tell_what_is_in_use(sock: socket.socket) -> None:
    from pytest_cowmem.zygote import in_use  # only in a round that measures growth

    wire.send(sock, (messages.USED, *in_use.read()))


def _tell_of_tree(sock: socket.socket) -> None:
    from pytest_cowmem.zygote import tree  # its zygote has loaded it

    tree.tell(sock)


def _leaking(kind: str) -> "Callable[..., None]":
    """A handler of a message that only the worker of a leak round gets."""

    def answer(sock: socket.socket, *fields: Any) -> None:
        from pytest_cowmem.zygote.trace import leaking  # only there

        wire.send(sock, leaking.answer(kind, *fields))

    return answer


def _traced(kind: str) -> "Callable[..., None]":
    """A handler of a message that only the worker of a traced round gets."""

    def answer(sock: socket.socket, *fields: Any) -> None:
        from pytest_cowmem.zygote.trace import traced_round  # its twin has loaded it

        wire.send(sock, traced_round.answer_in_worker(kind, *fields))

    return answer


# What does not go to the app's interface.
OTHERS: "dict[str, Callable[..., None]]" = {
    messages.CALL: serve_call,
    messages.GONE: _ignore,
    messages.MODULES: _tell_modules,
    messages.PLANT: _plant,
    messages.USE: _tell_what_is_in_use,
    messages.TREE: _tell_of_tree,
    messages.LOOK: _leaking(messages.LOOK),
    messages.LEFT: _leaking(messages.LEFT),
    messages.BEGIN: _traced(messages.BEGIN),
    messages.MARK: _traced(messages.MARK),
    messages.CHARGED: _traced(messages.CHARGED),
    messages.GROWN: _traced(messages.GROWN),
}
