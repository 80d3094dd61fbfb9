"""What growth tells: leaks and what only looks like one, planted into a Flask app.

Each is judged against the same test with nothing planted, by the default tolerance. The last tables
show what a reading and a round cost.
"""

import argparse
import statistics
import time
from functools import partial

from common import measure, show, zygote

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.growth_round import GrowthRound
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.growth import PARTS, Growth
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.verdict import Verdict

COLD_STARTS = 5
REQUESTS = (20, 50, 500)
LEAKS = ("one_object", "bytes_64", "bytes_1024", "ten_objects", "dict_entry")
OTHERS = ("lru_128", "cache_of_30", "cycles", "nothing")
HERE = Conditions("", {}, "", "", "here")


def growth(running: Zygote, name: str, times: int) -> Growth:
    """Run one growth round: what requests that keep what is named leave in use."""
    with CowWorker() as client, GrowthRound(running, 600, times) as current:
        client.enter_round(current)
        client.burst("GET", f"/{name}", times=times)
        found = current.growth()
        assert found is not None
        return found


def is_red(found: Growth) -> bool:
    """Judge growth against a baseline of 0."""
    measurement = Measurement({}, {}, (), 50, 1).with_growth(found)
    gate = Gate(HERE, Budget(), gated({}, Budget()), Entry({"growth": 0}, "", "", HERE.layout))
    return any(
        judgment.verdict is Verdict.REGRESSED for judgment in gate.judge(measurement).judgments
    )


def caught(runs: int) -> None:
    """Show in how many rounds each is red, over COLD_STARTS zygotes of other environments."""
    rounds: dict[tuple[str, int], list[Growth]] = {}
    for start in range(COLD_STARTS):
        with zygote("leaking:app", env={"PADDING": "x" * 100 * start}) as running:
            for name in (*LEAKS, *OTHERS):
                for times in REQUESTS:
                    for _ in range(runs // COLD_STARTS if times == 50 else 1):
                        found = growth(running, name, times)
                        rounds.setdefault((name, times), []).append(found)
    rows: list[list[object]] = []
    for (name, times), told in rounds.items():
        amounts = [found.per_request for found in told]
        red = sum(map(is_red, told))
        rows.append([name, times, min(amounts), max(amounts), f"{red} of {len(told)}"])
    show(
        "Growth in B a request, and red verdicts against a baseline of 0",
        rows,
        ["kept a request", "requests", "least", "most", "red"],
    )


def cost() -> None:
    """Show what a growth round takes beside a measured one."""
    rows: list[list[object]] = []
    for target, path in (("leaking:app", "/nothing"), ("big:app", "/")):
        with zygote(target) as running:
            measured, told = [], []
            for _ in range(9):
                moments = [time.perf_counter()]
                measure(running, partial(CowWorker.burst, method="GET", url=path, times=50))
                moments.append(time.perf_counter())
                growth(running, path[1:], 50)
                moments.append(time.perf_counter())
                measured.append(moments[1] - moments[0])
                told.append(moments[2] - moments[1])
            ms = [statistics.median(seconds) * 1000 for seconds in (measured, told)]
            size = running.size / 2**20
            rows.append([target, size, *ms, (ms[1] - ms[0]) / (PARTS + 1)])
    show(
        "A growth round of 50 requests beside a measured one, medians of 9",
        rows,
        ["app", "zygote MiB", "measured ms", "growth ms", "difference for each reading ms"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=100, help="rounds of 50 requests (default: 100, times of 5)"
    )
    caught(parser.parse_args().runs)
    cost()
