"""The gate's power: 20 forks in a row, and the least planted regression it always catches."""

import argparse
from collections.abc import Iterator

from common import measure, show, zygote

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.verdict import Verdict

LADDER = [48, 64, 68, 72, 76, 80, 96, 112, 128, 160]  # KiB
LEAKS = [64, 80, 96, 112, 128, 160, 192, 256]  # bytes a request
LIST_BYTES = 64  # an empty list and its GC header take 56 bytes, and pymalloc rounds up to 16
COLD_STARTS = 5
KINDS = {
    "read": ([size * 1024 for size in LADDER], "B"),
    "allocate": ([size * 1024 for size in LADDER], "B"),
    "collect": ([size * 1024 for size in LADDER], "B"),
    "leak": (LEAKS, "B/request"),
}


def private_pages(running: Zygote, path: str) -> int:
    """Return the private pages of a round of one request."""
    return measure(running, lambda client: client.get(path)).values["private"] // PAGE


def steady() -> None:
    """Show the private pages of 20 forks in a row of one zygote."""
    rows: list[list[object]] = []
    for path in ("/", "/page"):
        with zygote("big:app") as running:
            pages = [private_pages(running, path) for _ in range(20)]
        rows.append([path, pages[0], min(pages), max(pages), max(pages) - min(pages)])
    show(
        "20 forks in a row, private pages of a 100 MiB Flask app",
        rows,
        ["request", "first", "least", "most", "range"],
    )


def samples(
    query: str, rounds: int, times: int, collected: int = 1
) -> Iterator[tuple[Sample, str]]:
    """Measure `rounds` rounds over COLD_STARTS zygotes: each one's sample and layout.

    The environment has the same length whatever is collected, so that it moves nothing.
    """
    for _ in range(COLD_STARTS):
        with zygote("planted:app", env={"COLLECTED": f"{collected:07}"}) as running:
            for _ in range(max(1, rounds // COLD_STARTS)):
                sample = measure(
                    running, lambda client: client.burst("GET", f"/?{query}", times=times)
                )
                yield sample, running.facts.layout


def caught(kind: str, amount: int, runs: int, entry: Entry) -> int:
    """Return in how many of `runs` rounds the gate was red."""
    times = 1000 if kind == "leak" else 1
    objects = amount // LIST_BYTES if kind == "collect" else 1
    red = 0
    for sample, layout in samples(f"{kind}={amount}", runs, times, objects):
        conditions = Conditions("", {}, "", "", layout)
        gate = Gate(conditions, Budget(), gated({}, Budget()), entry)
        judgments = gate.judge(Measurement.of([sample])).judgments
        red += any(judgment.verdict is Verdict.REGRESSED for judgment in judgments)
    return red


def baseline(kind: str) -> Entry:
    """Return what the endpoint measures with nothing planted, as an entry of a baseline."""
    found = list(samples(f"{kind}=0", COLD_STARTS, 1000 if kind == "leak" else 1))
    measurement = Measurement.of([sample for sample, _ in found])
    return Entry.of(measurement, Conditions("", {}, "", "", found[0][1]), set(METRICS))


def power(runs: int) -> None:
    """Show the least regression of each kind that is caught in all runs."""
    rows: list[list[object]] = []
    for kind, (ladder, unit) in KINDS.items():
        entry = baseline(kind)
        unchanged = entry.metrics["private"] // 1024
        for amount in ladder:
            red = caught(kind, amount, runs, entry)
            if red == runs:
                least = [f"{amount} {unit}", f"{amount / 1024:.3g} KiB"]
                break
        else:
            least = ["none of the ladder", "-"]
        rows.append([kind, *least, f"{red} of {runs}", unchanged])
    show(
        "Smallest planted regression caught every time",
        rows,
        ["kind", "amount", "amount", "caught", "unchanged private KiB"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=50, help="rounds for each size (default: 50, a multiple of 5)"
    )
    steady()
    power(parser.parse_args().runs)
