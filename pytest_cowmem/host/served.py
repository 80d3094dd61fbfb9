"""Requests to a worker that speaks HTTP itself. Runs in the pytest process."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from pytest_cowmem.host import procfs
from pytest_cowmem.host.environ import raw_path
from pytest_cowmem.host.round import Round


def serve(
    current: Round, transport: httpx2.BaseTransport, request: httpx2.Request
) -> httpx2.Response:
    """Have the round's worker serve a request, on a connection of its own.

    A connection that stays open would end by the server's clock, somewhere in the measured time.
    """
    current.begin(f"serving {request.method} {raw_path(request)}")
    request.headers["connection"] = "close"
    waits = ("connect", "read", "write", "pool")
    request.extensions = {**request.extensions, "timeout": dict.fromkeys(waits, current.timeout)}
    with _worker_named(current):
        current.wait()
        response = transport.handle_request(request)
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.request = request  # httpx2's own transport leaves that to its client
    response.stream = current.response = ServedStream(current, response.stream)
    return response


class ServedStream(httpx2.SyncByteStream):
    """A response's body as it comes."""

    def __init__(self, current: Round, stream: httpx2.SyncByteStream) -> None:
        self._round, self._stream = current, stream
        self._pieces = iter(stream)
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        with _worker_named(self._round):
            yield from self._pieces

    def close(self) -> None:
        """Read the rest and drop it, since a worker that still sends is not at its end."""
        if self._over:
            return
        self._over = True
        try:
            with _worker_named(self._round):
                for _ in self._pieces:
                    pass
        finally:
            self._stream.close()
            self._round.served(1)


@contextmanager
def _worker_named(current: Round) -> Iterator[None]:
    """Raise WorkerDied where the worker is late or gone, and else what the transport raised."""
    try:
        yield
    except httpx2.TimeoutException:
        raise current.overdue("had not answered") from None
    except (httpx2.NetworkError, httpx2.RemoteProtocolError):
        if current.alive and not procfs.is_ending(current.pair.worker):
            raise
        raise current.death() from None
