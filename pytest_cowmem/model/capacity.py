"""How many workers a host holds. Runs in the pytest process; no I/O.

What a master has, its workers share. So a host pays once for the master and the libraries that it
has mapped, and for each worker what that has for itself.
"""

from collections.abc import Mapping

from pytest_cowmem.model.metrics import MAPPED, MASTER

HOST = 2**30  # bytes of a host where nobody says more
# Bytes that a server's master has beyond the zygote, and each of its workers beyond the zygote's:
# the server's own code and what that writes to. gunicorn 27 with sync workers, the mean over master
# and worker of two apps on CPython 3.11 and 3.13 (docs/explanation/accuracy.md, "Capacity").
SERVER = 1126 * 1024


def workers(host: int, master: int, worker: int) -> int:
    """The workers that fit beside their master: 0 where not one does.

    All are bytes: the host's, those of the master, and those that one worker has for itself.
    """
    return max(0, host - master) // max(1, worker)


def served(host: int, values: Mapping[str, int], worker: int, server: int = SERVER) -> int:
    """The workers of a real server that fit on a host of so many bytes.

    `values` has the metrics `master` and `mapped`, and `worker` is what a worker has for itself, in
    bytes. `server` is what each of a real server's processes has more: 0 where that was measured.
    """
    return workers(host, total(0, values, worker, server), worker + server)


def total(count: int, values: Mapping[str, int], worker: int, server: int = SERVER) -> int:
    """The bytes that a real server with `count` workers takes, from the same figures."""
    return values[MASTER] + values.get(MAPPED, 0) + server + count * (worker + server)
