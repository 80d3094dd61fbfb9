"""What an explanation names: fourteen causes planted into six real apps from PyPI.

Each app's first test is run a hundred times over, with a cause planted in each request. The
baseline is the same test with nothing planted. All tolerances are the defaults. What is named counts
in the order in which a reader meets it: what is kept, then lines and collections, then imports.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from bench_real_power import copy_entries
from common import show
from real_apps import (
    APPS,
    BUILD,
    REAL,
    Conditions,
    Outcome,
    Python,
    install,
    is_outdated,
    note,
    project,
    record_baseline,
    run,
    venv_of,
)

from pytest_cowmem.model.record import Record
from pytest_cowmem.report.reasons import reasons

HERE = Path(__file__).parent / "real_causes"
FILES = [
    REAL / "wrapped.py",
    *(HERE / name for name in ("causes.py", "planted.py", "test_causes.py")),
]
NOTHING = "nothing"
RIGHT = 0.1  # how far bytes and share may be off
# Containers of others that tell of a cause as well as its own do.
TELLING = {"threading._active": "thread", "numpy.polynomial": "late"}
KIB = 1024


@cache
def causes_by_name() -> dict[str, str]:
    """Return the cause of each line of causes.py, `causes.py:12`, and of each name, `causes.CACHE`.

    A section of that file is a cause's.
    """
    text = (HERE / "causes.py").read_text()
    found, section = dict(TELLING), ""
    for number, line in enumerate(text.splitlines(), 1):
        section = line.removeprefix("# cause: ") if line.startswith("# cause: ") else section
        if section:
            found[f"causes.py:{number}"] = section
    for node in ast.parse(text).body:
        if cause := found.get(f"causes.py:{node.lineno}"):
            found |= {f"causes.{name}": cause for name in _defined(node)}
    return found


def _defined(node: ast.stmt) -> Iterator[str]:
    """Give the names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


CAUSES = [name for name in dict.fromkeys(causes_by_name().values()) if name != NOTHING]


@dataclass(frozen=True)
class Named:
    """What an explanation names: a container and the line that fills it, or one of these."""

    names: Sequence[str]
    bytes: int

    @property
    def causes(self) -> set[str]:
        """The planted causes that it tells of."""
        known = causes_by_name()
        heads = [".".join(re.split(r"\.(?=\D)", name)[:2]) for name in self.names]
        return {known[name] for name in (*self.names, *heads) if name in known}

    def __str__(self) -> str:
        return f"{' '.join(self.names)} {self.bytes // KIB} KiB"


def named_in(record: Record) -> list[Named]:
    """Return what a record's explanation names, in the order of its text."""
    if record.explanation is None:
        return []
    shown = reasons(record, record.explanation)
    return [
        *(Named([one.name, one.place], one.bytes) for one in shown.containers),
        *(Named([part.place], part.bytes) for part in shown.parts),
        *(Named([one.by, one.place], one.bytes) for one in shown.imports),
    ]


@dataclass(frozen=True)
class Told:
    """What was told of a cause in an app. `planted` is the growth of `private` since the baseline.

    `named` is what the explanation names, `right` the place of the first that tells of the cause,
    None where none does. `advice` is the first piece of it.
    """

    app: str
    version: str
    cause: str
    caught: bool
    planted: int
    named: Sequence[Named]
    right: int | None
    share: float
    advice: str
    sentence: str

    @property
    def first(self) -> bool:
        """Whether the cause is named first."""
        return self.right == 0

    @property
    def bytes(self) -> int:
        """What was said to be the cause's."""
        return self.named[self.right].bytes if self.right is not None else 0

    @property
    def bytes_right(self) -> bool:
        """Whether these are those that were planted."""
        return abs(self.bytes - self.planted) <= RIGHT * self.planted

    @property
    def share_right(self) -> bool:
        """Whether about all is explained."""
        return abs(self.share - 1) <= RIGHT

    @property
    def row(self) -> list[object]:
        """A line of the table of misses."""
        return [
            self.app,
            self.cause,
            self.planted // KIB,
            "not caught" if not self.caught else "",
            self.bytes // KIB if self.right is not None else "not named",
            f"{self.share:.0%}",
            "" if self.first else str(self.named[0]) if self.named else self.sentence,
            self.advice,
        ]


def told(app: str, python: Python, outcome: Outcome) -> Told:
    """Judge the explanation of a test."""
    cause = outcome.test.partition("[")[2].rstrip("]")
    if outcome.record is None:
        return Told(app, python.version, cause, False, 0, [], None, 0, "", outcome.sentence)
    record = Record.from_dict(outcome.record)
    named = named_in(record)
    right = [place for place, one in enumerate(named) if cause in one.causes]
    advice = record.explanation.advice[:1] if record.explanation else ()
    judgment = record.judgment("private")
    before = judgment.baseline if judgment else None
    return Told(
        app=app,
        version=python.version,
        cause=cause,
        caught=outcome.failed,
        planted=record.measurement.private - (before or 0),
        named=named,
        right=right[0] if right else None,
        share=record.explanation.share if record.explanation else 0,
        advice=" ".join(f"{one.rule}: {one.text}" for one in advice),
        sentence=outcome.sentence,
    )


@dataclass(frozen=True)
class Job:
    """The run of an app with causes planted, one a test."""

    python: Python
    app: str
    causes: Sequence[str] = field(default_factory=tuple)


def perform(job: Job) -> list[Outcome]:
    """Record the baseline of an app, and run it with its causes."""
    recorded = json.loads(record_baseline(job.python, job.app, FILES, test_of(NOTHING)))
    tests = [test_of(cause) for cause in job.causes]
    copy_entries(recorded, test_of(NOTHING), tests)
    conditions = Conditions()
    with project(job.app, conditions, json.dumps(recorded).encode(), *FILES) as root:
        return run(job.python, root, conditions, "--cowmem-explain", *tests)


def test_of(cause: str) -> str:
    """Return the id of the test that plants a cause."""
    return f"test_causes.py::test_cause[{cause}]"


def venv_with_packages(path: str) -> Python:
    """Make the venv of the apps, and what the causes need in it."""
    python = venv_of(path)
    requirements = HERE / "requirements.txt"
    stamp = BUILD / python.version / "venv" / "causes"
    if is_outdated(stamp, [requirements]):
        install(python.executable, "-r", str(requirements))
        note(stamp, [requirements])
    return python


def summed_up(name: str, some: Iterable[Told]) -> list[object]:
    """Return how many of some are right in each way."""
    found = list(some)
    ways = [
        [one.caught for one in found],
        [one.right is not None for one in found],
        [one.first for one in found],
        [one.bytes_right for one in found],
        [one.share_right for one in found],
    ]
    return [name, len(found), *map(sum, ways)]


COUNTED = ["planted", "caught", "named", "named first", "bytes right", "share right"]
MISSES = ["app", "cause", "planted KiB", "caught", "told KiB", "share", "named first", "advice"]


def show_all(python: Python, found: Sequence[Told]) -> None:
    """Show what was told of each cause and in each app, and each miss."""
    causes = [name for name in CAUSES if any(one.cause == name for one in found)]
    rows = [summed_up(name, (one for one in found if one.cause == name)) for name in causes]
    rows.append(summed_up("all", found))
    show("Planted causes, by cause", rows, ["cause", *COUNTED], python.version)
    apps = [name for name in APPS if any(one.app == name for one in found)]
    rows = [summed_up(name, (one for one in found if one.app == name)) for name in apps]
    show("Planted causes, by app", rows, ["app", *COUNTED], python.version)
    missed = [
        one for one in found if not (one.caught and one.first and one.bytes_right and one.share_right)
    ]
    show("What was missed", [one.row for one in missed], MISSES, python.version)


def main(options: argparse.Namespace) -> None:
    for path in options.python or [sys.executable]:
        python = venv_with_packages(path)
        log = BUILD / python.version / "causes.jsonl"
        log.unlink(missing_ok=True)
        jobs = [Job(python, app, options.cause or CAUSES) for app in options.app or APPS]
        found = []
        with ProcessPoolExecutor(options.jobs) as pool:
            for job, outcomes in zip(jobs, pool.map(perform, jobs), strict=True):
                with log.open("a") as file:
                    for outcome in outcomes:
                        print(json.dumps({"app": job.app, **asdict(outcome)}), file=file)
                found += [told(job.app, python, outcome) for outcome in outcomes]
                print(*summed_up(job.app, found), sep=" | ", file=sys.stderr, flush=True)
        show_all(python, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="apps at a time (default: 1)")
    parser.add_argument("--app", action="append", choices=APPS, help="only this app; repeatable")
    parser.add_argument("--cause", action="append", choices=CAUSES, help="only this; repeatable")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
