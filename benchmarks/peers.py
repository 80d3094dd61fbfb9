"""The same planted regressions under other tools: what each reports, and whether its gate is red.

Each tool gets a venv and a copy of benchmarks/peers in a temporary folder. Each cell of the table
is a pytest run.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common import machine
from tabulate import tabulate

HERE = Path(__file__).parent
MIB = 2**20
KINDS = {"read": 1, "allocate": 1, "collect": 1, "leak": 128}  # how many requests
# MiB: the first run records what the gate allows, and the second has nothing planted either.
SIZES = (0, 0, 1, 10, 50)
MARGIN = MIB // 2  # what a gate allows beyond the first run, where its user chooses that
NO_LIMIT = 2**50

Options = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One run's figure in bytes, if the tool gave one, and whether it passed."""

    figure: int | None
    passed: bool


@dataclass(frozen=True)
class Way:
    """One way to use a tool.

    `first` and `later` are its options without and with its gate, whose name is `gate`.
    """

    tool: str
    how: str
    test: str
    gate: str
    options: Options = ()
    first: Options = ()
    later: Options = ()
    figure: Callable[[Path, str], int] | None = None


def memray_cached(folder: Path, test: str) -> int:
    """Return what limit_memory compared."""
    cached = json.loads((folder / ".pytest_cache/v/memray" / test).read_text())
    return int(cached["total_allocated_memory"])


def monitored(folder: Path, test: str) -> int:
    """Return the figure of the run's last row in pytest-monitor's database."""
    with sqlite3.connect(folder / "monitor.db") as database:
        query = "select MEM_USAGE from TEST_METRICS where ITEM = ? order by rowid desc"
        (usage,) = database.execute(query, [test.partition("::")[2]]).fetchone()
    return int(usage * MIB)


# pytest-forked 1.7.5 cannot hand over the reports of pytest 9.2 ("unmarshallable object").
FORKING = ["pytest-forked", "pytest<9"]
PACKAGES = {
    "pytest-memray": ["pytest-memray", *FORKING],
    "pytest-benchmem": ["pytest-benchmem", *FORKING],
    "pytest-monitor": ["pytest-monitor", *FORKING],
    "tracemalloc": ["pytest"],
    "psutil": ["psutil", "pytest"],
    "pytest-cowmem": [str(HERE.parent)],
}
BELOW = ("memray", "memory-profiler", "pytest-benchmark", "pytest-forked")
NAMED = {"pytest", "psutil", *BELOW, *PACKAGES}
MEMRAY = ("--memray", "--native", "--trace-python-allocators")
MONITOR = ("--db", "monitor.db")
SAVE = ("--benchmark-save=first",)
PEAK = ("--benchmark-memory-compare=0001", f"--benchmark-memory-compare-fail=peak:{MARGIN}B")
RSS = ("--benchmark-memory-compare=0001", f"--benchmark-memory-compare-fail=rss:{MARGIN}B")
FORKS = "the test forks"
FORKED = "test in a fork (pytest-forked)"


def memray(how: str, test: str, *options: str) -> Way:
    """Return a way to use pytest-memray."""
    test = f"test_pytest_memray.py::{test}"
    return Way(
        "pytest-memray", how, test, "limit_memory", (*options, *MEMRAY), figure=memray_cached
    )


def monitor(how: str, test: str, *options: str) -> Way:
    """Return a way to use pytest-monitor, which has no gate."""
    test = f"test_pytest_monitor.py::{test}"
    return Way("pytest-monitor", how, test, "", (*options, *MONITOR), figure=monitored)


def benchmem(
    how: str, test: str, gate: str, *options: str, first: Options = (), later: Options = ()
) -> Way:
    """Return a way to use pytest-benchmem."""
    test = f"test_pytest_benchmem.py::{test}"
    return Way("pytest-benchmem", how, test, gate, options, first, later)


def asserting(tool: str, how: str, test: str) -> Way:
    """Return a way to use a tool whose figure the test compares by hand."""
    return Way(tool, how, test, "assert")


WAYS = [
    memray(FORKS, "test_forks"),
    memray(FORKED, "test_is_forked", "--forked"),
    asserting("pytest-memray", "memray's Tracker, follow_fork", "test_memray.py::test_follow_fork"),
    benchmem(FORKS, "test_forks", "compare-fail", first=SAVE, later=PEAK),
    benchmem(FORKED, "test_is_forked", "max_peak", "--forked"),
    benchmem("isolate, rss", "test_isolated", "compare-fail", first=SAVE, later=RSS),
    monitor(FORKS, "test_forks"),
    monitor(FORKED, "test_is_forked", "--forked"),
    asserting("tracemalloc", "in the worker", "test_tracemalloc.py::test_in_worker"),
    asserting("psutil", "RSS, in the worker", "test_psutil.py::test_rss"),
    asserting("psutil", "USS, in the worker", "test_psutil.py::test_uss"),
    Way(
        "pytest-cowmem",
        "private",
        "test_pytest_cowmem.py::test_worker",
        "baseline",
        options=("--cowmem",),
        first=("--cowmem-update",),
    ),
]


def install(packages: list[str], venv: Path) -> str:
    """Make a venv with packages, and return the last line of pip's error, or nothing."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    command = [str(venv / "bin/pip"), "install", "--quiet", *packages]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def versions(venv: Path) -> str:
    """Return the names and versions of the packages that bear on the figures."""
    listed = subprocess.check_output([venv / "bin/pip", "list", "--format=json"], text=True)
    return ", ".join(
        f"{package['name']} {package['version']}"
        for package in json.loads(listed)
        if package["name"] in NAMED
    )


def run(
    way: Way, kind: str, size: int, limit: int, gating: bool, venv: Path, folder: Path, log: Path
) -> Run:
    """Run pytest once; the environment has the same length whatever is planted."""
    number = folder / "figure"
    number.unlink(missing_ok=True)
    planted = {
        "KIND": kind,
        "PLANTED": f"{size * MIB:08}",
        "REQUESTS": str(KINDS[kind]),
        "LIMIT": f"{limit:016}",
        "FIGURE": str(number),
    }
    gate = way.later if gating else way.first
    command = [str(venv / "bin/python"), "-m", "pytest", way.test, *way.options, *gate]
    environ = os.environ | planted
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    with log.open("a") as file:
        print(planted, command, done.stdout, done.stderr, sep="\n", file=file)
    try:
        found = way.figure(folder, way.test) if way.figure else int(number.read_text())
    except (OSError, TypeError, sqlite3.Error):
        found = None
    return Run(found, done.returncode == 0)


def runs(way: Way, kind: str, venv: Path, folder: Path, log: Path) -> list[Run]:
    """Run pytest for each size, with a limit taken from the first run."""
    shutil.copytree(HERE / "peers", folder)
    found: list[Run] = []
    for size in SIZES:
        limit = (found[0].figure or 0) + MARGIN if found else NO_LIMIT
        found.append(run(way, kind, size, limit, bool(found), venv, folder, log))
    return found


def row(way: Way, kind: str, found: list[Run]) -> list[str]:
    """Return a line of the table.

    A tool sees a regression if its figure grows by at least half of what was planted.
    """
    figures = ["-" if run.figure is None else f"{run.figure / MIB:.2f}" for run in found]
    planted = list(zip(SIZES, found, strict=True))[2:]
    seen = [
        str(size)
        for size, run in planted
        if run.figure is not None and run.figure - (found[0].figure or 0) >= size * MIB / 2
    ]
    red = [str(size) for size, run in planted if not run.passed]
    false = "" if found[0].passed and found[1].passed else "; also unchanged"
    failing = (", ".join(red) or "none") + false if way.gate else "no gate"
    seeing = ", ".join(seen) or "none"
    return [f"{way.tool}: {way.how}", kind, *figures, seeing, failing, way.gate or "-"]


def measure(tool: str, venv: Path, log: Path) -> list[list[str]]:
    """Return all lines of one tool."""
    rows = []
    for number, way in enumerate(way for way in WAYS if way.tool == tool):
        for kind in KINDS:
            folder = venv.parent / f"{tool}-{number}-{kind}"
            rows.append(row(way, kind, runs(way, kind, venv, folder, log)))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    log = Path(tempfile.gettempdir()) / "peers.log"
    parser.add_argument("--log", type=Path, default=log, help="where pytest's output goes")
    tools = f"which, of {', '.join(PACKAGES)} (default: all)"
    parser.add_argument("tools", nargs="*", default=list(PACKAGES), help=tools)
    options = parser.parse_args()
    rows: list[list[str]] = []
    installed: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for tool in options.tools:
            venv = Path(folder) / f"venv-{tool}"
            error = install(PACKAGES[tool], venv)
            installed.append([tool, f"cannot be installed: {error}" if error else versions(venv)])
            rows += [] if error else measure(tool, venv, options.log)
    print(f"\n## Planted regressions under other tools, MiB\n{machine()}\n")
    headers = ["tool", "planted", "0", "0 again", "1", "10", "50", "sees", "fails the run", "gate"]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True), "\n")
    print(tabulate(installed, ["venv", "versions"], tablefmt="github"))


if __name__ == "__main__":
    main()
