"""GC pauses on an idle machine and on a loaded one: raw wall clock beside the gated figure.

The loaded machine has twice as many busy processes as cores. Then a full collection of 100,000
objects is planted, idle and loaded in turn, and judged with the default tolerances.
"""

import os
import statistics
from collections import Counter
from contextlib import nullcontext

from common import busy, measure, show, zygote

from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.zygote import pauses

ROUNDS = 21
BASELINE_ROUNDS = 3  # a test's rounds, of which the minimum counts
PLANTED = 50
HEADERS = ["machine", "clock", "least", "median", "most", "most / least", "gc speed ms"]


def pauses_of(running: Zygote) -> tuple[list[float], list[float]]:
    """Return the longest pause of each round in ms: by the wall clock, and as gated."""
    wall_column = 2 * len(pauses.COLUMNS) + pauses.COLUMNS.index("longest_wall_s")
    wall, scaled = [], []
    for _ in range(ROUNDS):
        values = measure(running, lambda client: client.get("/")).values
        scaled.append(values["gc_pause"] / 1e6)
        wall.append(running.table[wall_column] * 1e3)
    return wall, scaled


def least_of_each_test(scaled: list[float]) -> list[float]:
    """Return the figure of each test: the least of its rounds."""
    return [
        min(scaled[first : first + BASELINE_ROUNDS]) for first in range(0, ROUNDS, BASELINE_ROUNDS)
    ]


def print_red(tests: dict[str, list[float]]) -> None:
    """Print how many figures are red against the idle median, with the default tolerance."""
    tolerance = METRICS["gc_pause"].tolerance
    assert tolerance is not None
    base = statistics.median(tests["idle"])
    most = base * 1e6 + tolerance.allows(int(base * 1e6))
    red = [
        f"{name} {sum(value * 1e6 > most for value in values)} of {len(values)}"
        for name, values in tests.items()
    ]
    print(f"\nred verdicts against the idle median, default tolerance: {', '.join(red)}")


def measured(running: Zygote, path: str) -> Measurement:
    """Return what a test of one request measures, with a full collection beside it."""
    rounds = range(BASELINE_ROUNDS)
    return Measurement.of([measure(running, lambda client: client.get(path)) for _ in rounds])


def planted(running: Zygote, gate: Gate, path: str) -> list[Judgment]:
    """Return the metrics that have regressed in a test."""
    judgments = gate.judge(measured(running, path)).judgments
    return [judgment for judgment in judgments if judgment.verdict is Verdict.REGRESSED]


def print_planted() -> None:
    """Print in how many tests a full collection is red, and by what; and how many are without."""
    red = Counter(planted=0, unchanged=0)
    with zygote("cycles:app", env={"OBJECTS": "100000"}) as running:
        conditions = Conditions("", {}, "", "", running.facts.layout)
        entry = Entry.of(measured(running, "/quiet"), conditions, set(METRICS))
        gate = Gate(conditions, Budget(), gated({}, Budget()), entry)
        for load in (nullcontext(), busy(2 * (os.cpu_count() or 1))):
            with load:
                for _ in range(PLANTED // 2):
                    regressed = planted(running, gate, "/")
                    red.update(["planted"] * bool(regressed))
                    red.update(judgment.metric for judgment in regressed)
                    red.update(["unchanged"] * bool(planted(running, gate, "/quiet")))
    by_metric = ", ".join(f"{name} {count}" for name, count in sorted(red.items()))
    print(f"\nred of {PLANTED} tests, a full collection of 100,000 objects planted: {by_metric}")


def main() -> None:
    rows: list[list[object]] = []
    tests: dict[str, list[float]] = {}
    for name, load in (("idle", nullcontext()), ("loaded", busy(2 * (os.cpu_count() or 1)))):
        with load, zygote("cycles:app", env={"OBJECTS": "300000"}) as running:
            wall, scaled = pauses_of(running)
            speed = running.facts.gc_speed / 1e6
        tests[name] = least_of_each_test(scaled)
        clocks = {
            "wall clock": wall,
            "gc_pause": scaled,
            f"gc_pause, least of {BASELINE_ROUNDS}": tests[name],
        }
        for clock, values in clocks.items():
            least, median, most = min(values), statistics.median(values), max(values)
            rows.append([name, clock, least, median, most, most / least, speed])
    show("Pauses in ms", rows, HEADERS)
    print_red(tests)
    print_planted()


if __name__ == "__main__":
    main()
