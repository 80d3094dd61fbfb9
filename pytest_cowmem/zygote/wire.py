"""Messages over a stream socket: a 4-byte header (length, top bit set for raw bytes), then the payload.

Used by both ends: the pytest process and the zygote with its forks run the same interpreter, so `marshal`, which is built in and imports
nothing, reads what it wrote. Raw frames carry body bytes without copying them, since a copy would count as the worker's memory.
"""

import marshal
import socket
from typing import Any

Message = tuple[Any, ...]

MEASURED, TRACED = b"m", b"t"  # the kinds of round a zygote is asked for, in a byte each

_RAW = 1 << 31
_HEADER_BYTES = 4
_PIECE = 1 << 20


def send(sock: socket.socket, message: Message) -> None:
    """Send one message: a tuple of what `marshal` can hold, at most 2 GiB."""
    payload = marshal.dumps(message)
    if len(payload) >= _RAW:
        raise ValueError(
            f"a message of {len(payload)} bytes is over the limit of 2 GiB: send less at once"
        )
    sock.sendall(len(payload).to_bytes(_HEADER_BYTES, "big") + payload)


def send_bytes(sock: socket.socket, payload: "bytes | memoryview") -> None:
    """Send body bytes as they are, in one frame and without a copy; at most 2 GiB."""
    sock.sendall((len(payload) | _RAW).to_bytes(_HEADER_BYTES, "big"))
    sock.sendall(payload)


def receive(sock: socket.socket) -> "Message | bytes":
    """The next frame: a message's tuple, or the bytes of a raw frame. EOFError when the other end is gone."""
    length = int.from_bytes(_read_exactly(sock, _HEADER_BYTES), "big")
    if length & _RAW:
        return _read_exactly(sock, length ^ _RAW)
    message: Message = marshal.loads(_read_exactly(sock, length))
    return message


def receive_message(sock: socket.socket) -> Message:
    """The next frame where it can only be a message."""
    message = receive(sock)
    assert isinstance(message, tuple)
    return message


def receive_into(sock: socket.socket, buffer: memoryview) -> int:
    """Read one raw frame straight into `buffer`; its length in bytes, 0 for the end of a body.

    ConnectionResetError for a message in its place: there will be no more of the body.
    """
    length = int.from_bytes(_read_exactly(sock, _HEADER_BYTES), "big")
    if not length & _RAW:
        _read_exactly(sock, length)
        raise ConnectionResetError("the client stopped sending its request's body")
    length ^= _RAW
    done = 0
    while done < length:
        got = sock.recv_into(buffer[done:length])
        if not got:
            raise EOFError
        done += got
    return length


def _read_exactly(sock: socket.socket, count: int) -> bytes:
    first = sock.recv(min(count, _PIECE)) if count else b""
    if len(first) == count:
        return first
    parts = [first]
    missing = count - len(first)
    while missing:
        if not parts[-1]:
            raise EOFError
        parts.append(sock.recv(min(missing, _PIECE)))
        missing -= len(parts[-1])
    return b"".join(parts)
