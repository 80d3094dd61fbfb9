"""What a burst on an ASGI app costs, beside calling the app in a loop on a running event loop.

Both are forks of one zygote that have served the request before, in turns.
"""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from common import measure, show, zygote

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.scope import make_scope
from pytest_cowmem.host.zygote import Zygote

_TIMES = 5_000
_PAIRS = 9
_REQUESTS = {"/small": b"", "/items": b"", "/plain": b"", "/echo": b"x" * 1000}


def looped(scope: dict[str, Any], body: bytes, times: int) -> float:
    """Seconds that calling the app takes: this runs in a worker."""
    from api import app  # type: ignore[import-not-found]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_event: dict[str, Any]) -> None:
        pass

    async def run() -> float:
        await app(scope.copy(), receive, send)
        started = time.perf_counter()
        for _ in range(times):
            await app(scope.copy(), receive, send)
        return time.perf_counter() - started

    return asyncio.run(run())


def seconds(running: Zygote, url: str, body: bytes) -> tuple[float, float]:
    """(the loop's, the burst's) wall seconds."""
    method = "POST" if body else "GET"
    spent = []

    def loop(client: CowWorker) -> None:
        scope = make_scope(client.build_request(method, url, content=body))
        spent.append(client.call("bench_asgi:looped", scope, body, _TIMES))

    def burst(client: CowWorker) -> None:
        client.request(method, url, content=body)
        started = time.perf_counter()
        client.burst(method, url, times=_TIMES, content=body)
        spent.append(time.perf_counter() - started)

    measure(running, loop)
    measure(running, burst)
    return spent[0], spent[1]


def main() -> None:
    rows = []
    with zygote("api:app", pythonpath=[str(Path(__file__).parent)]) as running:
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
