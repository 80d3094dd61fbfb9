"""Call a function that the test names. Runs in the worker."""

import pickle
import socket
import traceback

from pytest_cowmem.zygote import messages, wire
from pytest_cowmem.zygote.serve.load import load


def serve_call(sock: socket.socket, target: str, arguments: bytes) -> None:
    """Call `module:function` with pickled (args, kwargs); send its pickled result or traceback."""
    try:
        args, kwargs = pickle.loads(arguments)
        returned = load(target)(*args, **kwargs)
        try:
            result = pickle.dumps(returned)
        except Exception as error:
            raise TypeError(
                f"what it returned cannot be sent back ({error}): return what pickle can hold"
            ) from None
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        wire.send(sock, (messages.RAISED, f"{type(error).__name__}: {error}", text))
    else:
        wire.send(sock, (messages.RETURNED,))
        wire.send_bytes(sock, result)
