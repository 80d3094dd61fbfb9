"""False alarms of six real apps: unchanged suites are run again and again, and none may be red.

Environment variables, folders and files in them are random, address randomisation is on or off,
and the machine is idle or has four busy processes. `--edits` also edits the apps, and the packages
they are made of, without changing what they do. All tolerances are the defaults.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from common import busy, show
from harmless import edited
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

BUSY = 4  # processes of a loaded machine
PAGE = 4096
LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None))
"""


@dataclass(frozen=True)
class Job:
    """One run of an app's suite. `package` and `files` are of an app that is edited, else empty.

    `package` holds the folder of the app's package, and `files` are paths in the root folder.
    """

    python: Python
    app: str
    number: int
    seed: str
    randomised: bool
    loaded: bool
    baseline: bytes = field(repr=False)
    package: Sequence[Path] = ()
    files: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The run's conditions in a few words."""
        kind = "edit" if self.files else "run"
        randomised = "on" if self.randomised else "off"
        load = "loaded" if self.loaded else "idle"
        version = self.python.version
        return f"{self.app}, {version}, {kind} {self.number}, randomisation {randomised}, {load}"


@dataclass(frozen=True)
class Done:
    """A job and its tests."""

    job: Job
    outcomes: Sequence[Outcome]

    @property
    def red(self) -> list[Outcome]:
        """The tests that failed."""
        return [outcome for outcome in self.outcomes if outcome.failed]


def perform(job: Job) -> Done:
    """Run an app's suite once."""
    rng = random.Random(f"{job.seed} {job.app} {job.number} {len(job.files)}")
    conditions = random_conditions(rng, job.randomised)
    with project(job.app, conditions, job.baseline, *job.package) as root:
        if job.files:
            edit(root, job.files, rng)
        try:
            return Done(job, run(job.python, root, conditions))
        except subprocess.TimeoutExpired as error:
            return Done(job, [Outcome("pytest", True, str(error), None)])


def edit(root: Path, files: Sequence[str], rng: random.Random) -> None:
    """Edit a module of the app's own, and one of its package."""
    own = [file for file in files if "/" not in file]
    for file in (rng.choice(own), rng.choice([file for file in files if "/" in file])):
        path = root / file
        path.write_text(edited(path.read_text(), rng))


def package_of(python: Python, app: str) -> Path:
    """Return the folder of the app's package."""
    return Path(output(python, REAL, f"import {app}; print({app}.__file__)")[-1]).parent


def loaded_files(python: Python, app: str, package: Path) -> list[str]:
    """Return the source files in the root folder that the app loads when it is imported."""
    conditions = Conditions()
    with project(app, conditions, None, package) as root:
        target = (root / "pytest.ini").read_text().partition("cowmem_app = ")[2].partition(":")[0]
        printed = output(python, root, LOADED, target)
        inside = {Path(line) for line in printed if line.startswith(f"{root}/")}
        return sorted(str(path.relative_to(root)) for path in inside if path.suffix == ".py")


@dataclass(frozen=True)
class Plan:
    """What is to be done with an app: so many runs, and so many edits."""

    python: Python
    app: str
    runs: int
    edits: int
    seed: str


def jobs_of(plan: Plan) -> list[Job]:
    """Record an app's baselines, and return its runs and edits; none where that fails."""
    try:
        return [*runs_of(plan), *edits_of(plan)]
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"error: {plan.app}, {plan.python.version}, has no baseline: {error}", flush=True)
        return []


def runs_of(plan: Plan) -> Iterator[Job]:
    """Give the runs of the unchanged suite: every other one randomised, a quarter loaded."""
    python, app, seed = plan.python, plan.app, plan.seed
    baseline = record_baseline(python, app) if plan.runs else b""
    for number in range(plan.runs):
        yield Job(python, app, number, seed, bool(number & 1), number % 8 >= 6, baseline)


def edits_of(plan: Plan) -> Iterator[Job]:
    """Give the runs after an edit, idle and with randomisation off."""
    if plan.edits:
        python, app, seed = plan.python, plan.app, plan.seed
        package = package_of(python, app)
        baseline = record_baseline(python, app, [package])
        files = loaded_files(python, app, package)
        for number in range(plan.edits):
            yield Job(python, app, number, seed, False, False, baseline, [package], files)


def perform_all(jobs: Sequence[Job], processes: int, log: Path) -> list[Done]:
    """Run the jobs, those of an idle machine first; print what is red as it comes."""
    done = []
    for loaded in (False, True):
        chosen = [job for job in jobs if job.loaded is loaded]
        load = busy(BUSY) if loaded and chosen else nullcontext()
        with load, ProcessPoolExecutor(processes) as pool:
            for one in pool.map(perform, chosen):
                done.append(one)
                keep(one, log)
    return done


def keep(done: Done, log: Path) -> None:
    """Print a run's red tests, and append all tests to the log."""
    for outcome in done.red:
        print(f"red: {done.job.name}: {outcome.test}: {outcome.sentence}", flush=True)
    with log.open("a") as file:
        for outcome in done.outcomes:
            print(json.dumps({"run": done.job.name, **asdict(outcome)}), file=file)


def counted(done: Iterable[Done]) -> list[object]:
    """Return runs, tests, red ones, by what they are red, and how many asked for more layouts."""
    runs = list(done)
    outcomes = [outcome for one in runs for outcome in one.outcomes]
    metrics = Counter(metric for outcome in outcomes for metric in outcome.red)
    return [
        len(runs),
        sum(bool(one.red) for one in runs),
        len(outcomes),
        sum(outcome.failed for outcome in outcomes),
        ", ".join(f"{metric} {count}" for metric, count in metrics.most_common()) or "-",
        sum(outcome.layouts > 1 for outcome in outcomes),
    ]


COUNTED = ["runs", "red runs", "tests", "red tests", "red metrics", "more layouts"]


def show_alarms(python: Python, kind: str, done: Sequence[Done]) -> None:
    """Show what was red, by app and by conditions, and how much `private` moved."""
    apps = [app for app in APPS if any(one.job.app == app for one in done)]
    rows = [[app, *counted(one for one in done if one.job.app == app)] for app in apps]
    rows.append(["all", *counted(done)])
    show(f"False alarms, {kind}, by app", rows, ["app", *COUNTED], python.version)
    rows = []
    for randomised in (False, True):
        for loaded in (False, True):
            same = [
                one for one in done if (one.job.randomised, one.job.loaded) == (randomised, loaded)
            ]
            if same:
                words = ["on" if randomised else "off", "loaded" if loaded else "idle"]
                rows.append([*words, *counted(same)])
    headers = ["randomisation", "machine", *COUNTED]
    show(f"False alarms, {kind}, by conditions", rows, headers, python.version)
    rows = [row for app in apps if (row := moved(app, done))]
    headers = ["app", "least private KiB", "most", "median sd, pages", "largest sd", "its test"]
    if rows:
        show(f"How much `private` moved from run to run, {kind}", rows, headers, python.version)


def moved(app: str, done: Iterable[Done]) -> list[object]:
    """Return an app's range of `private`, and its standard deviation over runs of one test."""
    values: dict[str, list[int]] = {}
    for one in done:
        for outcome in one.outcomes:
            private = outcome.value("private")
            if one.job.app == app and private is not None:
                values.setdefault(outcome.test, []).append(private)
    spreads = {
        test: statistics.stdev(amounts) / PAGE
        for test, amounts in values.items()
        if len(amounts) > 1
    }
    if not spreads:
        return []
    worst = max(spreads, key=lambda test: spreads[test])
    all_values = [amount // 1024 for amounts in values.values() for amount in amounts]
    middle = statistics.median(spreads.values())
    worst_name = worst.rpartition("::")[2]
    return [app, min(all_values), max(all_values), middle, spreads[worst], worst_name]


def main(options: argparse.Namespace) -> None:
    for path in options.python or [sys.executable]:
        python = venv_of(path)
        log = BUILD / python.version / "alarms.jsonl"
        log.unlink(missing_ok=True)
        apps = options.app or APPS
        plans = [Plan(python, app, options.runs, options.edits, options.seed) for app in apps]
        with ProcessPoolExecutor(options.jobs) as pool:
            jobs = [job for made in pool.map(jobs_of, plans) for job in made]
        done = perform_all(jobs, options.jobs, log)
        for kind, chosen in (
            ("unchanged suites", [one for one in done if not one.job.files]),
            ("after edits that change nothing", [one for one in done if one.job.files]),
        ):
            if chosen:
                show_alarms(python, kind, chosen)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each app (default: 20)")
    parser.add_argument("--edits", type=int, default=12, help="edits of each app (default: 12)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--app", action="append", choices=APPS, help="only this app; repeatable")
    parser.add_argument("--seed", default="1", help="of all that is random (default: 1)")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
