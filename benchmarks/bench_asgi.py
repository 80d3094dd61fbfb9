"""What a burst on an ASGI app costs, beside calling the app in a loop on a running event loop.

Both are forks of one zygote that have served the request before, in turns. What is told is the CPU
time of the worker, since others use the machine.
"""

import statistics
from collections.abc import Callable

from common import measure, show, zygote

from pytest_cowmem.host import procfs
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.scope import make_scope
from pytest_cowmem.host.zygote import Zygote

_TIMES = 10_000
_PAIRS = 5
_REQUESTS = {"/small": b"", "/items": b"", "/echo": b"x" * 1000}


def seconds(running: Zygote, url: str, body: bytes) -> tuple[float, float]:
    """(the loop's, the burst's) CPU seconds of the worker, each after one request or more."""
    method = "POST" if body else "GET"
    spent = []

    def timed(client: CowWorker, act: Callable[[], object]) -> None:
        worker = client.current_round().pair.worker
        client.request(method, url, content=body)
        before = procfs.cpu_time(worker)
        act()
        spent.append((procfs.cpu_time(worker) - before) / 1e9)

    def loop(client: CowWorker) -> None:
        scope = make_scope(client.build_request(method, url, content=body))
        timed(client, lambda: client.call("api:looped", scope, body, _TIMES))

    def burst(client: CowWorker) -> None:
        timed(client, lambda: client.burst(method, url, times=_TIMES, content=body))

    measure(running, loop)
    measure(running, burst)
    return spent[0], spent[1]


def main() -> None:
    rows = []
    with zygote("api:app") as running:
        for url, body in _REQUESTS.items():
            pairs = [seconds(running, url, body) for _ in range(_PAIRS)]
            loop, burst = (min(taken) / _TIMES * 1e6 for taken in zip(*pairs, strict=True))
            share = statistics.median(one / other for one, other in pairs)
            rows.append([url, loop, burst, f"{loop / burst:.1%}", f"{share:.1%}"])
    show(
        f"burst() of {_TIMES} on FastAPI beside a loop of calls",
        rows,
        ["request", "loop us", "burst us", "speed (best)", "speed (median of pairs)"],
    )


if __name__ == "__main__":
    main()
