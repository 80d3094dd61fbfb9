"""What pytest-xdist wins: the example's suite, and many tests of a few apps, by mode of `--dist`.

Each run is made beside the others in turn, in seconds of wall time, and against a run without
pytest-xdist in the same turn. Zygotes are counted by the app's own imports. A run that is not
complete, or has other verdicts than that without pytest-xdist, ends the benchmark.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import show

EXAMPLE = Path(__file__).parent.parent / "example_project"
MODES = ("load", "worksteal", "loadgroup", "loadfile")
WORKERS = 2

APP = """\
import time
with open({starts!r}, "a") as starts:
    starts.write({name!r} + "\\n")
until = time.process_time() + {seconds}
while time.process_time() < until:
    pass
def app(environ, start_response):
    start_response("200 OK", [])
    return [bytes(100_000)]
"""
# Neighbours have other apps: the worst order there is.
TESTS = """\
import pytest
APPS = [pytest.param(n, marks=pytest.mark.cow_app(f"app{{n}}:app")) for n in range({apps})]
@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("number", range({tests}))
def test_it(cow_worker, number, app):
    cow_worker.get("/")
"""


def many_apps(folder: Path, apps: int, tests: int, seconds: float) -> Path:
    """Write a project of that many apps and tests of each; an import takes `seconds` of CPU."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\ncowmem_app = app0:app\n")
    for number in range(apps):
        name = f"app{number}"
        text = APP.format(starts=str(folder / "starts"), name=name, seconds=seconds)
        (folder / f"{name}.py").write_text(text)
    (folder / "test_many.py").write_text(TESTS.format(apps=apps, tests=tests))
    return folder


def run(folder: Path, *options: str) -> tuple[float, list[tuple[str, str]]]:
    """Seconds of a measuring run, and each test with its verdict."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--cowmem", *options]
    started = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    lines = [line for line in ended.stdout.splitlines() if "::" in line and "  " in line]
    return time.perf_counter() - started, [
        (line.partition(" ")[0], line.rpartition("  ")[2]) for line in lines
    ]


def zygotes(folder: Path) -> int:
    """How many zygotes there were since the last call; 0 where the app does not tell."""
    starts = folder / "starts"
    if not starts.exists():
        return 0
    count = len(starts.read_text().splitlines())
    starts.unlink()
    return count


def compare(title: str, folder: Path, modes: Sequence[str], turns: int) -> None:
    """Show what runs take with pytest-xdist and without it."""
    runs = {"without": ()} | {mode: ("-n", str(WORKERS), "--dist", mode) for mode in modes}
    run(folder)  # byte code is written once
    zygotes(folder)
    spent: dict[str, list[float]] = {name: [] for name in runs}
    started: dict[str, list[int]] = {name: [] for name in runs}
    tests: list[tuple[str, str]] = []
    for _ in range(turns):
        for name, options in runs.items():
            seconds, found = run(folder, *options)
            spent[name].append(seconds)
            started[name].append(zygotes(folder))
            tests = tests or found
            if found != tests:
                sys.exit(f"{name} has other verdicts: {found} instead of {tests}")
    rows = [
        [
            name,
            statistics.median(times),
            statistics.median(
                mine / alone for mine, alone in zip(times, spent["without"], strict=True)
            ),
            statistics.median(started[name]) or "-",
        ]
        for name, times in spent.items()
    ]
    show(title, rows, [f"--dist, -n {WORKERS}", "median s", "of the time without", "zygotes"])


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        shop = shutil.copytree(EXAMPLE, Path(name, "shop"))
        compare("The example", shop, ("load", "worksteal"), turns)
        apps = many_apps(Path(name, "many"), apps=4, tests=6, seconds=1)
        compare("24 tests of 4 apps, in turn", apps, MODES, turns)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    main(parser.parse_args().turns)
