"""GC pauses on an idle machine and on a loaded one: raw wall clock beside the gated figure.

The loaded machine has twice as many busy processes as cores.
"""

import os
import statistics
from contextlib import nullcontext

from common import busy, measure, show, zygote

from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.zygote import pauses

ROUNDS = 21
BASELINE_ROUNDS = 3  # a test's rounds, of which the minimum counts
HEADERS = ["machine", "clock", "least", "median", "most", "most / least", "gc speed ms"]


def pauses_of(running: Zygote) -> tuple[list[float], list[float]]:
    """Return the longest pause of each round in ms: by the wall clock, and as gated."""
    wall_column = 2 * len(pauses.COLUMNS) + pauses.COLUMNS.index("longest_wall_ns")
    wall, scaled = [], []
    for _ in range(ROUNDS):
        values = measure(running, lambda client: client.get("/")).values
        scaled.append(values["gc_pause"] / 1e6)
        wall.append(running.table[wall_column] / 1e6)
    return wall, scaled


def least_of_each_test(scaled: list[float]) -> list[float]:
    """Return the figure of each test: the least of its rounds."""
    return [
        min(scaled[first : first + BASELINE_ROUNDS]) for first in range(0, ROUNDS, BASELINE_ROUNDS)
    ]


def print_red(gated: dict[str, list[float]]) -> None:
    """Print how many figures are red against the idle median, with the default tolerance."""
    tolerance = METRICS["gc_pause"].tolerance
    assert tolerance is not None
    base = statistics.median(gated["idle"])
    most = base * 1e6 + tolerance.allows(int(base * 1e6))
    red = [
        f"{name} {sum(value * 1e6 > most for value in values)} of {len(values)}"
        for name, values in gated.items()
    ]
    print(f"\nred verdicts against the idle median, default tolerance: {', '.join(red)}")


def main() -> None:
    rows: list[list[object]] = []
    gated: dict[str, list[float]] = {}
    for name, load in (("idle", nullcontext()), ("loaded", busy(2 * (os.cpu_count() or 1)))):
        with load, zygote("cycles:app") as running:
            wall, scaled = pauses_of(running)
            speed = running.facts.gc_speed / 1e6
        gated[name] = least_of_each_test(scaled)
        clocks = {
            "wall clock": wall,
            "gc_pause": scaled,
            f"gc_pause, least of {BASELINE_ROUNDS}": gated[name],
        }
        for clock, values in clocks.items():
            least, median, most = min(values), statistics.median(values), max(values)
            rows.append([name, clock, least, median, most, most / least, speed])
    show("Pauses in ms", rows, HEADERS)
    print_red(gated)


if __name__ == "__main__":
    main()
