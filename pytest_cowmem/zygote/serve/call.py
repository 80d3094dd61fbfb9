"""Call a function that the test names, once or over and over. Runs in the worker."""

import pickle
import socket
import time
from typing import Any

from pytest_cowmem.zygote import messages, wire
from pytest_cowmem.zygote.errors import described
from pytest_cowmem.zygote.serve import loop
from pytest_cowmem.zygote.serve.load import load


def serve_call(
    sock: socket.socket, target: str, arguments: bytes, times: int, seconds: float
) -> None:
    """Call `module:function` with pickled (args, kwargs); send its last result, or a traceback.

    Each call has arguments of its own, as each task of a queue has. A coroutine function is
    awaited. A message says every `seconds` that the calls go on.
    """
    made = 0
    try:
        function = load(target)
        tell_at = time.monotonic() + seconds
        while made < times:
            returned = _call(function, arguments)
            made += 1
            if time.monotonic() > tell_at:
                wire.send(sock, (messages.GOING,))
                tell_at = time.monotonic() + seconds
        result = _pickled(returned)
    except Exception as error:
        wire.send(sock, (messages.RAISED, *described(error), made + 1))
    else:
        wire.send(sock, (messages.RETURNED,))
        wire.send_bytes(sock, result)


def _call(function: Any, arguments: bytes) -> Any:
    args, kwargs = pickle.loads(arguments)
    returned = function(*args, **kwargs)
    if hasattr(type(returned), "__await__"):
        return loop.run(loop.awaited(returned))
    return returned


def _pickled(returned: Any) -> bytes:
    try:
        return pickle.dumps(returned)
    except Exception as error:
        raise TypeError(
            f"what it returned cannot be sent back ({error}): return what pickle can hold"
        ) from None
