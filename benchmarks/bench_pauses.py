"""GC pauses, idle and with twice as many busy processes as cores: raw wall clock beside the figure that is gated."""

import os
import statistics
from contextlib import nullcontext

from common import busy, measure, show, zygote

from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.zygote import pauses

ROUNDS = 21
BASELINE_ROUNDS = 3  # a test's rounds, of which the minimum counts


def main() -> None:
    rows: list[list[object]] = []
    gated: dict[str, list[float]] = {}
    wall_column = pauses.COLUMNS.index("longest_wall_ns")
    for name, load in (("idle", nullcontext()), ("loaded", busy(2 * (os.cpu_count() or 1)))):
        with load, zygote("cycles:app") as running:
            wall, scaled = [], []
            for _ in range(ROUNDS):
                scaled.append(
                    measure(running, lambda client: client.get("/")).values["gc_pause"] / 1e6
                )
                wall.append(running.table[2 * len(pauses.COLUMNS) + wall_column] / 1e6)
            speed = running.facts.gc_speed / 1e6
        gated[name] = [
            min(scaled[index : index + BASELINE_ROUNDS])
            for index in range(0, ROUNDS, BASELINE_ROUNDS)
        ]
        for what, values in (
            ("wall clock", wall),
            ("gc_pause", scaled),
            (f"gc_pause, least of {BASELINE_ROUNDS}", gated[name]),
        ):
            rows.append(
                [
                    name,
                    what,
                    min(values),
                    statistics.median(values),
                    max(values),
                    max(values) / min(values),
                    speed,
                ]
            )
    show(
        "Pauses in ms",
        rows,
        ["machine", "clock", "least", "median", "most", "most / least", "gc speed ms"],
    )
    tolerance = METRICS["gc_pause"].tolerance
    assert tolerance is not None
    base = statistics.median(gated["idle"])
    most = base * 1e6 + tolerance.allows(int(base * 1e6))
    red = [
        f"{name} {sum(value * 1e6 > most for value in values)} of {len(values)}"
        for name, values in gated.items()
    ]
    print(f"\nred verdicts against the idle median, default tolerance: {', '.join(red)}")


if __name__ == "__main__":
    main()
