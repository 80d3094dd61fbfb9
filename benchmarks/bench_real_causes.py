"""What an explanation names: fourteen causes planted into six real apps from PyPI.

Each app's first test is run a hundred times over, with a cause planted in each request. The
baseline is the same test with nothing planted. All tolerances are the defaults. What is named
counts in the order in which a reader meets it: what is kept, then lines and collections, then
imports. A container's bytes are compared with what tracemalloc finds kept, all others with what
`private` grew by. Bytes by module are right if they are one of the two: what is kept may lie in
holes of the app's memory, so that `private` grows by less.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    output,
    project,
    record_baseline,
    run,
    venv_of,
)

from pytest_cowmem.model.explanation import COLLECTIONS, Collections, Line
from pytest_cowmem.model.metrics import PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.reasons import reasons

HERE = Path(__file__).parent / "real_causes"
FILES = [
    REAL / "inner.py",
    *(HERE / name for name in ("causes.py", "planted.py", "test_causes.py")),
]
NOTHING = "nothing"
RIGHT = 0.1  # how far bytes and share may be off
# What is not in causes.py, and tells of a cause as well.
TELLING = {
    "threading._active": "thread",
    "logging._handlerList": "handlers",
    "logging._at_fork_reinit_lock_weakset": "handlers",
    "numpy.polynomial": "late",
}
KIB = 1024
# Prints the bytes that each cause keeps, in a fork of its own, after the test's number of requests.
KEPT = """
import gc, os, sys, tracemalloc, causes
for cause in sys.argv[1:]:
    if os.fork():
        os.wait()
        continue
    tracemalloc.start()
    for _ in range(100):
        getattr(causes, cause)()
    gc.collect()
    print(cause, tracemalloc.get_traced_memory()[0], flush=True)
    os._exit(0)
"""


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


CAUSES = sorted(set(causes_by_name().values()) - {NOTHING})


@dataclass(frozen=True)
class Named:
    """What an explanation names: a container and the line that fills it, or one of these.

    `module` is where its bytes are counted by module. `kept` is whether it is a container.
    """

    names: Sequence[str]
    bytes: int
    module: str
    kept: bool = False

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
        *(Named([one.name, one.place], one.bytes, one.module, True) for one in shown.containers),
        *(Named([part.place], part.bytes, _module(part)) for part in shown.parts),
        *(Named([one.by, one.place], one.bytes, one.module) for one in shown.imports),
    ]


def _module(part: Line | Collections) -> str:
    return part.module if isinstance(part, Line) else COLLECTIONS


@dataclass(frozen=True)
class Told:
    """What was told of a cause in an app.

    `planted` is the growth of `private` since the baseline, and `kept` what tracemalloc finds kept.
    `named` is what the explanation names, `right` the place of the first that tells of the cause,
    None where none does. `net` is what the modules of all that do have more than in the baseline.
    `advice` is the first piece of it.
    """

    app: str
    version: str
    cause: str
    caught: bool
    planted: int
    kept: int
    named: Sequence[Named]
    right: int | None
    net: int
    share: float
    advice: str
    sentence: str

    @property
    def first(self) -> bool:
        """Whether the cause is named first."""
        return self.right == 0

    @property
    def culprit(self) -> Named | None:
        """What tells of the cause."""
        return None if self.right is None else self.named[self.right]

    @property
    def bytes(self) -> int:
        """The bytes that it has; a container has those of all that tell of the cause."""
        if self.culprit is None or not self.culprit.kept:
            return self.culprit.bytes if self.culprit else 0
        return sum(one.bytes for one in self.named if one.kept and self.cause in one.causes)

    @property
    def bytes_right(self) -> bool:
        """Whether these are the cause's."""
        one = self.culprit
        return one is not None and _is_about(self.bytes, self.kept if one.kept else self.planted)

    @property
    def net_right(self) -> bool:
        """Whether the modules grew by what was planted: by pages, or by what a container keeps."""
        one = self.culprit
        if one is None:
            return False
        return _is_about(self.net, self.planted) or (one.kept and _is_about(self.net, self.kept))

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
            self.kept // KIB,
            "" if self.caught else "no",
            " ".join(self.culprit.names) if self.culprit else "not named",
            self.bytes // KIB,
            self.net // KIB,
            f"{self.share:.0%}",
            "" if self.first else str(self.named[0]) if self.named else self.sentence,
            self.advice,
        ]

    @property
    def is_missed(self) -> bool:
        """Whether anything is wrong."""
        ways = (self.caught, self.first, self.bytes_right, self.net_right, self.share_right)
        return not all(ways)


def _is_about(told: int, true: int) -> bool:
    return abs(told - true) <= RIGHT * true


def told(app: str, python: Python, outcome: Outcome, kept: Mapping[str, int]) -> Told:
    """Judge the explanation of a test."""
    cause = outcome.test.partition("[")[2].rstrip("]")
    record = Record.from_dict(outcome.record) if outcome.record else None
    if record is None or record.explanation is None or record.accepted is None:
        caught = record is not None and outcome.failed
        said = outcome.sentence
        return Told(app, python.version, cause, caught, 0, 0, [], None, 0, 0, "", said)
    explanation, before = record.explanation, record.accepted
    named = named_in(record)
    right = [place for place, one in enumerate(named) if cause in one.causes]
    modules = {one.module for one in named if cause in one.causes}
    return Told(
        app=app,
        version=python.version,
        cause=cause,
        caught=outcome.failed,
        planted=explanation.private - before.metrics[PRIVATE],
        kept=kept.get(cause, 0),
        named=named,
        right=right[0] if right else None,
        net=sum(explanation.modules.get(name, 0) - before.modules.get(name, 0) for name in modules),
        share=explanation.share,
        advice=" ".join(f"{one.rule}: {one.text}" for one in explanation.advice[:1]),
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


def kept_by(python: Python) -> dict[str, int]:
    """Return the bytes that each cause keeps."""
    pairs = [line.split() for line in output(python, HERE, KEPT, *CAUSES)]
    return {cause: int(size) for cause, size in pairs}


def summed_up(name: str, some: Iterable[Told]) -> list[object]:
    """Return how many of some are right in each way."""
    found = list(some)
    ways = [
        [one.caught for one in found],
        [one.right is not None for one in found],
        [one.first for one in found],
        [one.bytes_right for one in found],
        [one.net_right for one in found],
        [one.share_right for one in found],
    ]
    return [name, len(found), *map(sum, ways)]


COUNTED = ["planted", "caught", "named", "named first", "bytes right", "net right", "share right"]
MISSES = [
    *("app", "cause", "planted KiB", "kept KiB", "caught", "told of it", "KiB", "net KiB", "share"),
    *("named first", "advice"),
]


def show_all(python: Python, found: Sequence[Told]) -> None:
    """Show what was told of each cause and in each app, and each miss."""
    causes = [name for name in CAUSES if any(one.cause == name for one in found)]
    rows = [summed_up(name, (one for one in found if one.cause == name)) for name in causes]
    rows.append(summed_up("all", found))
    show("Planted causes, by cause", rows, ["cause", *COUNTED], python.version)
    apps = [name for name in APPS if any(one.app == name for one in found)]
    rows = [summed_up(name, (one for one in found if one.app == name)) for name in apps]
    show("Planted causes, by app", rows, ["app", *COUNTED], python.version)
    missed = [one.row for one in found if one.is_missed]
    show("What was missed", missed, MISSES, python.version)


def main(options: argparse.Namespace) -> None:
    for path in options.python or [sys.executable]:
        python = venv_with_packages(path)
        log = BUILD / python.version / "causes.jsonl"
        log.unlink(missing_ok=True)
        jobs = [Job(python, app, options.cause or CAUSES) for app in options.app or APPS]
        found: list[Told] = []
        kept = kept_by(python)
        with ProcessPoolExecutor(options.jobs) as pool:
            for job, outcomes in zip(jobs, pool.map(perform, jobs), strict=True):
                with log.open("a") as file:
                    for outcome in outcomes:
                        print(json.dumps({"app": job.app, **asdict(outcome)}), file=file)
                told_now = [told(job.app, python, outcome, kept) for outcome in outcomes]
                found += told_now
                print(*summed_up(job.app, told_now), sep=" | ", file=sys.stderr, flush=True)
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
