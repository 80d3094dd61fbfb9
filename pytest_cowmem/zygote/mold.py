"""Do what the app's master could have done before forking, then fork a worker. Runs in the mold.

A mold is a fork of a raw zygote: one that has not come to rest, and so is where a master is when
the app is loaded. It comes to rest itself, and becomes the twin of the worker it forks. Nothing of
this is loaded into another process. "Mold" is what pitchfork calls a worker that others are forked
from.
"""

import gc
import socket

from pytest_cowmem.zygote import master, messages, pauses, twin, wire, worker
from pytest_cowmem.zygote.errors import described
from pytest_cowmem.zygote.forks import fork_into, wait
from pytest_cowmem.zygote.serve import loop
from pytest_cowmem.zygote.serve.load import load


def be_mold(sock: socket.socket, preloaded: worker.Preloaded) -> None:
    """Prepare, serve what is asked for, and fork a worker on demand, until the socket closes."""
    worker.OTHERS[messages.REST] = lambda sock, *how: _come_to_rest(sock, preloaded, *how)
    worker.OTHERS[messages.REFORK] = lambda sock: _refork(sock, preloaded)
    worker.OTHERS[messages.FULL] = _tell_full_collection
    _, imports, serves = wire.receive_message(sock)
    try:
        for name in imports:
            __import__(name)
        if serves and preloaded.after_fork:
            load(preloaded.after_fork)()
    except BaseException as error:  # an import may raise SystemExit too
        wire.send(sock, (messages.FAILED, *described(error)))
    else:
        wire.send(sock, (messages.ALIVE,))
    while worker.handle(sock, preloaded.interface, preloaded.app):
        pass


def _come_to_rest(
    sock: socket.socket, preloaded: worker.Preloaded, freeze: bool, policy: str
) -> None:
    """Rest as a master does, and have workers collect as the policy says, where it says so."""
    loop.close()  # calls may have made one
    master.come_to_rest(preloaded, freeze)
    if policy == "off":
        preloaded.collects = False
    elif policy:
        gc.set_threshold(*map(int, policy.split(",")))
    wire.send(sock, (messages.ALIVE,))


def _refork(sock: socket.socket, preloaded: worker.Preloaded) -> None:
    """Become the twin of a measured worker."""
    (fd,) = wire.receive_fds(sock, 1)
    twin.live(sock, fd, lambda far: worker.work(far, preloaded))


def _tell_full_collection(sock: socket.socket) -> None:
    """Say what a full collection costs in a fork of the mold."""
    wait(fork_into(lambda: wire.send(sock, (messages.COLLECTED, *pauses.full_collection()))))
