"""Frames over a stream socket: a 4-byte header, then the payload. Used by both ends.

The header is the payload's length; its top bit marks raw bytes. The pytest process and the zygote
side run the same interpreter, so `marshal` reads what it wrote; it is built in and imports nothing.
Raw frames carry body bytes without a copy, which would count as the worker's memory.
"""

import marshal
import os
import socket
from typing import Any

Message = tuple[Any, ...]

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
    """The next frame: a message, or the bytes of a raw one. EOFError when the other end is gone."""
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
    """Read one raw frame straight into `buffer`; its length in bytes, 0 at the end of a body.

    ConnectionResetError for a message in its place, since no more of the body will come.
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


def receive_fds(sock: socket.socket, count: int) -> "list[int]":
    """Descriptors from the other end, which programs that the app executes do not inherit."""
    fds = socket.recv_fds(sock, 1, count)[1]
    for fd in fds:
        os.set_inheritable(fd, False)  # recv_fds ignores MSG_CMSG_CLOEXEC
    return fds


def _read_exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(min(count, _PIECE))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)  # one part alone is not copied
