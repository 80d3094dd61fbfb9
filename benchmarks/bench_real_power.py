"""The gate's power on six real apps: the least regression that is red in 95 of 100 runs.

The first test of each app's suite is run with something planted in its worker, in random
environments and folders, with address randomisation off and on in turn. All tolerances are the
defaults. The first step of each ladder is nothing, which may not be red. A step that was green too
often is tried no more, and of those above it only the next two are.
"""

import argparse
import json
import random
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from common import show
from real_apps import (
    APPS,
    BUILD,
    REAL,
    Conditions,
    Outcome,
    Python,
    output,
    project,
    random_conditions,
    record_baseline,
    run,
    venv_of,
)

HERE = Path(__file__).parent / "real_power"
FILES = [REAL / "inner.py", HERE / "planted.py"]
KIB = 1024
CAUGHT = 0.95
AT_ONCE = 2  # steps of a kind in a run
MOST = 10  # runs in all, for each that a step takes
AMOUNTS = [size * KIB for size in (0, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)]
LADDERS: dict[str, list[int]] = {
    "read": AMOUNTS,
    "allocate": AMOUNTS,
    "collect": AMOUNTS,
    "collect_all": [0, 1],
    "leak": [0, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192],  # bytes a request
}
KINDS = [*LADDERS, "late"]
IMPORTED = [16 * KIB, 32 * KIB, 64 * KIB, 96 * KIB, 128 * KIB, 256 * KIB]
MODULES = """
cmd colorsys cProfile doctest fileinput ftplib imaplib mailbox modulefinder netrc optparse pdb
pickletools plistlib poplib pyclbr pydoc rlcompleter sched smtplib symtable tabnanny tarfile timeit
trace wave xml.dom.minidom xml.sax.saxutils xmlrpc.client zipapp
"""
# Prints the bytes that each module takes where the app has been imported, in a fork of its own. The
# names of a module may be those that make the table of interned strings grow, by a megabyte; so it
# is made to grow before.
SIZES = """
import os, sys, tracemalloc, planted
interned = [sys.intern(f"unused {number}") for number in range(100_000)]
for name in sys.argv[1:]:
    if name in sys.modules or os.fork():
        if name not in sys.modules:
            os.wait()
        continue
    tracemalloc.start()
    __import__(name)
    print(tracemalloc.get_traced_memory()[0], name, flush=True)
    os._exit(0)
"""


@dataclass(frozen=True)
class Ladder:
    """What is planted in an app: `steps` of each kind, and `files` that say so in its root."""

    steps: dict[str, list[int] | list[str]]
    sizes: dict[str, int]  # bytes of the modules that are imported late
    files: Sequence[Path]

    def labels(self, kind: str) -> list[str]:
        """The steps of a kind in words."""
        return [self._label(kind, amount) for amount in self.steps[kind]]

    def _label(self, kind: str, amount: int | str) -> str:
        if isinstance(amount, str):
            return f"{amount} ({self.sizes[amount] // KIB} KiB)" if amount else "0"
        if kind == "leak":
            return f"{amount} B/request"
        return str(amount) if kind == "collect_all" else f"{amount // KIB} KiB"


@dataclass(frozen=True)
class Job:
    """One run of an app with something planted in each of its `tests`."""

    python: Python
    app: str
    number: int
    seed: str
    ladder: Ladder
    baseline: bytes = field(repr=False)
    tests: Sequence[str]


def perform(job: Job) -> list[Outcome]:
    """Run planted tests of an app once."""
    conditions = random_conditions(random.Random(f"{job.seed} {job.number}"), job.number % 2 == 1)
    with project(job.app, conditions, job.baseline, *job.ladder.files) as root:
        return run(job.python, root, conditions, *job.tests)


def named(kind: str, step: int) -> str:
    """Return the id of the test that plants a step."""
    return f"test_planted.py::test_{kind}[{step}]"


def ladder_of(python: Python, app: str, kinds: Sequence[str]) -> Ladder:
    """Choose what to plant in an app: its late imports are of modules it does not have."""
    steps: dict[str, list[int] | list[str]] = {
        kind: ladder for kind, ladder in LADDERS.items() if kind in kinds
    }
    sizes: dict[str, int] = {}
    if "late" in kinds:
        sizes = module_sizes(python, app)
        nearest = {min(sizes, key=lambda name: abs(sizes[name] - size)) for size in IMPORTED}
        steps["late"] = ["", *sorted(nearest, key=lambda name: sizes[name])]
    file = BUILD / python.version / app / "ladder.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(steps))
    return Ladder(steps, sizes, [*FILES, HERE / "test_planted.py", file])


def module_sizes(python: Python, app: str) -> dict[str, int]:
    """Return what modules of the standard library would take in an app, in bytes."""
    with project(app, Conditions(), None, *FILES) as root:
        pairs = [line.split() for line in output(python, root, SIZES, *MODULES.split())]
    return {name: int(size) for size, name in pairs}


def baseline_of(python: Python, app: str, ladder: Ladder) -> bytes:
    """Record what each kind's test measures with nothing planted, as the baseline of all steps."""
    unplanted = [named(kind, 0) for kind in ladder.steps]
    recorded = json.loads(record_baseline(python, app, ladder.files, *unplanted))
    for kind, amounts in ladder.steps.items():
        copy_entries(recorded, named(kind, 0), [named(kind, step) for step in range(len(amounts))])
    return json.dumps(recorded).encode()


def copy_entries(data: object, name: str, copies: Sequence[str]) -> None:
    """Give each of the copies what a file's objects have under a name."""
    if isinstance(data, dict):
        for value in data.values():
            copy_entries(value, name, copies)
        if name in data:
            data.update(dict.fromkeys(copies, data[name]))


class Climb:
    """How far one kind of regression has got on its ladder in one app.

    `tried` has each step's outcomes. `wanted` is how many runs a step takes.
    """

    def __init__(self, app: str, kind: str, ladder: Ladder, wanted: int) -> None:
        self.app, self.kind, self.ladder, self.wanted = app, kind, ladder, wanted
        self.tried: list[list[Outcome]] = [[] for _ in ladder.steps[kind]]

    def possible(self) -> list[int]:
        """The steps that have not been green too often, the least first; step 0 is none."""
        missed = [sum(not one.failed for one in same) for same in self.tried]
        most = int(self.wanted * (1 - CAUGHT))
        return [step for step in range(1, len(missed)) if missed[step] <= most]

    def next_tests(self) -> list[str]:
        """The tests of the next run: nothing planted, and the least two possible; none at last."""
        possible = self.possible()
        if not possible or len(self.tried[possible[0]]) >= self.wanted:
            return []
        return [named(self.kind, step) for step in (0, *possible[:AT_ONCE])]

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of a run."""
        for step, same in enumerate(self.tried):
            same += [one for one in outcomes if one.test == named(self.kind, step)]

    def row(self) -> list[object]:
        """A line of the table."""
        possible = self.possible()
        metrics = (
            Counter(name for one in self.tried[possible[0]] for name in one.red)
            if possible
            else Counter[str]()
        )
        red = [
            f"{label}: {sum(one.failed for one in same)} of {len(same)}"
            for label, same in zip(self.ladder.labels(self.kind), self.tried, strict=True)
            if same
        ]
        unplanted = [value for one in self.tried[0] if (value := one.value("private")) is not None]
        return [
            self.app,
            self.kind,
            self.ladder.labels(self.kind)[possible[0]] if possible else "none of the ladder",
            ", ".join(name for name, _ in metrics.most_common(3)) or "-",
            "; ".join(red),
            statistics.median_low(unplanted) // KIB if unplanted else "-",
        ]


HEADERS = ["app", "planted", "least caught", "by", "red at each step", "private KiB"]


def power(python: Python, app: str, options: argparse.Namespace) -> list[list[object]]:
    """Plant in an app again and again, and return its lines of the table."""
    ladder = ladder_of(python, app, options.kind or KINDS)
    baseline = baseline_of(python, app, ladder)
    climbs = [Climb(app, kind, ladder, options.runs) for kind in ladder.steps]
    number = 0
    most = MOST * options.runs
    with ProcessPoolExecutor(options.jobs) as pool:
        while number < most and (tests := [name for one in climbs for name in one.next_tests()]):
            numbers = range(number, number + options.jobs)
            number = numbers.stop
            for outcomes in pool.map(
                perform,
                [Job(python, app, n, options.seed, ladder, baseline, tests) for n in numbers],
            ):
                print_unexpected(app, outcomes)
                for climb in climbs:
                    climb.take(outcomes)
    return [climb.row() for climb in climbs]


def print_unexpected(app: str, outcomes: Sequence[Outcome]) -> None:
    """Print what is red with nothing planted, and what failed without a measurement."""
    for outcome in outcomes:
        if outcome.failed and (not outcome.record or outcome.test.endswith("[0]")):
            print(f"red: {app}: {outcome.test}: {outcome.sentence}", flush=True)


def main(options: argparse.Namespace) -> None:
    for path in options.python or [sys.executable]:
        python = venv_of(path)
        rows: list[list[object]] = []
        for app in options.app or APPS:
            for line in power(python, app, options):
                print(*line, sep=" | ", file=sys.stderr, flush=True)
                rows.append(line)
        title = f"Least planted regression that is red in {CAUGHT:.0%} of the runs"
        show(title, rows, HEADERS, python.version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each step (default: 20)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--app", action="append", choices=APPS, help="only this app; repeatable")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this; repeatable")
    parser.add_argument("--seed", default="1", help="of all that is random (default: 1)")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
