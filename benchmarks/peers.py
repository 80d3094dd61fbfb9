"""The same planted regressions under other tools: what each reports, and whether its own gate fails the run.

Each tool gets a venv of its own, in a temporary folder, and a copy of benchmarks/peers; each cell of the table is a pytest run.
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
SIZES = (
    0,
    0,
    1,
    10,
    50,
)  # MiB: the first run records what the gate allows, the second has nothing planted either
MARGIN = MIB // 2  # what a gate allows beyond the first run, where its user chooses that
NO_LIMIT = 2**50


@dataclass(frozen=True)
class Run:
    """One run's figure in bytes, if the tool gave one, and whether it passed."""

    figure: int | None
    passed: bool


@dataclass(frozen=True)
class Way:
    """A tool used in one of its ways: `first` and `later` are its options without and with a gate, `gate` says which it is."""

    tool: str
    how: str
    test: str
    gate: str
    options: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    figure: Callable[[Path, str], int] | None = None


def memray_cached(folder: Path, test: str) -> int:
    """What limit_memory compared."""
    return json.loads((folder / ".pytest_cache/v/memray" / test).read_text())[
        "total_allocated_memory"
    ]


def monitored(folder: Path, test: str) -> int:
    """The run's line in pytest-monitor's database."""
    with sqlite3.connect(folder / "monitor.db") as database:
        query = "select MEM_USAGE from TEST_METRICS where ITEM = ? order by rowid desc"
        (usage,) = database.execute(query, [test.partition("::")[2]]).fetchone()
    return int(usage * MIB)


FORKING = [
    "pytest-forked",
    "pytest<9",
]  # pytest-forked 1.7.5 cannot hand over the reports of pytest 9.2 ("unmarshallable object")
PACKAGES = {
    "pytest-memray": ["pytest-memray", *FORKING],
    "pytest-benchmem": ["pytest-benchmem", *FORKING],
    "pytest-monitor": ["pytest-monitor", *FORKING],
    "tracemalloc": ["pytest"],
    "psutil": ["psutil", "pytest"],
    "pytest-cowmem": [str(HERE.parent)],
}
MEMRAY = ("--memray", "--native", "--trace-python-allocators")
MONITOR = ("--db", "monitor.db")
SAVE = ("--benchmark-save=first",)
PEAK = ("--benchmark-memory-compare=0001", f"--benchmark-memory-compare-fail=peak:{MARGIN}B")
RSS = ("--benchmark-memory-compare=0001", f"--benchmark-memory-compare-fail=rss:{MARGIN}B")
FORKS = "the test forks"
FORKED = "test in a fork (pytest-forked)"
WAYS = [
    Way(
        "pytest-memray",
        FORKS,
        "test_pytest_memray.py::test_forks",
        "limit_memory",
        MEMRAY,
        figure=memray_cached,
    ),
    Way(
        "pytest-memray",
        FORKED,
        "test_pytest_memray.py::test_is_forked",
        "limit_memory",
        ("--forked", *MEMRAY),
        figure=memray_cached,
    ),
    Way(
        "pytest-memray",
        "memray's Tracker, follow_fork",
        "test_memray.py::test_follow_fork",
        "assert",
    ),
    Way(
        "pytest-benchmem",
        FORKS,
        "test_pytest_benchmem.py::test_forks",
        "compare-fail",
        (),
        SAVE,
        PEAK,
    ),
    Way(
        "pytest-benchmem",
        FORKED,
        "test_pytest_benchmem.py::test_is_forked",
        "max_peak",
        ("--forked",),
    ),
    Way(
        "pytest-benchmem",
        "isolate, rss",
        "test_pytest_benchmem.py::test_isolated",
        "compare-fail",
        (),
        SAVE,
        RSS,
    ),
    Way(
        "pytest-monitor", FORKS, "test_pytest_monitor.py::test_forks", "", MONITOR, figure=monitored
    ),
    Way(
        "pytest-monitor",
        FORKED,
        "test_pytest_monitor.py::test_is_forked",
        "",
        ("--forked", *MONITOR),
        figure=monitored,
    ),
    Way("tracemalloc", "in the worker", "test_tracemalloc.py::test_in_worker", "assert"),
    Way("psutil", "RSS, in the worker", "test_psutil.py::test_rss", "assert"),
    Way("psutil", "USS, in the worker", "test_psutil.py::test_uss", "assert"),
    Way(
        "pytest-cowmem",
        "private",
        "test_pytest_cowmem.py::test_worker",
        "baseline",
        ("--cowmem",),
        ("--cowmem-update",),
    ),
]


def install(packages: list[str], venv: Path) -> str:
    """Make a venv with packages; what pip said last where it could not."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    done = subprocess.run(
        [venv / "bin/pip", "install", "--quiet", *packages], capture_output=True, text=True
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def versions(venv: Path) -> str:
    """Python's, and those of what was measured."""
    listed = subprocess.run(
        [venv / "bin/pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    wanted = {
        "pytest",
        "memray",
        "psutil",
        "memory-profiler",
        "pytest-benchmark",
        "pytest-forked",
        *PACKAGES,
    }
    return ", ".join(
        f"{package['name']} {package['version']}"
        for package in json.loads(listed.stdout)
        if package["name"] in wanted
    )


def run(
    way: Way, kind: str, size: int, limit: int, gating: bool, venv: Path, folder: Path, log: Path
) -> Run:
    """One pytest run; the environment has the same length whatever is planted."""
    number = folder / "figure"
    number.unlink(missing_ok=True)
    planted = {
        "KIND": kind,
        "PLANTED": f"{size * MIB:08}",
        "REQUESTS": str(KINDS[kind]),
        "LIMIT": f"{limit:016}",
        "FIGURE": str(number),
    }
    command = [
        venv / "bin/python",
        "-m",
        "pytest",
        way.test,
        *way.options,
        *(way.later if gating else way.first),
    ]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | planted, capture_output=True, text=True
    )
    with log.open("a") as file:
        print(planted, command, done.stdout, done.stderr, sep="\n", file=file)
    try:
        found = way.figure(folder, way.test) if way.figure else int(number.read_text())
    except (OSError, TypeError, sqlite3.Error):
        found = None
    return Run(found, done.returncode == 0)


def runs(way: Way, kind: str, venv: Path, folder: Path, log: Path) -> list[Run]:
    """A run for each size, with a limit taken from the first."""
    shutil.copytree(HERE / "peers", folder)
    found: list[Run] = []
    for size in SIZES:
        limit = (found[0].figure or 0) + MARGIN if found else NO_LIMIT
        found.append(run(way, kind, size, limit, bool(found), venv, folder, log))
    return found


def row(way: Way, kind: str, found: list[Run]) -> list[str]:
    """A line of the table: seen is a figure higher by half of what was planted, at least."""
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
    return [
        f"{way.tool}: {way.how}",
        kind,
        *figures,
        ", ".join(seen) or "none",
        failing,
        way.gate or "-",
    ]


def measure(tool: str, venv: Path, log: Path) -> list[list[str]]:
    """All lines of one tool."""
    rows = []
    for number, way in enumerate(way for way in WAYS if way.tool == tool):
        for kind in KINDS:
            rows.append(
                row(way, kind, runs(way, kind, venv, venv.parent / f"{tool}-{number}-{kind}", log))
            )
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--log",
        type=Path,
        default=Path(tempfile.gettempdir()) / "peers.log",
        help="where pytest's output goes",
    )
    parser.add_argument(
        "tools",
        nargs="*",
        default=list(PACKAGES),
        help=f"which, of {', '.join(PACKAGES)} (default: all)",
    )
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
