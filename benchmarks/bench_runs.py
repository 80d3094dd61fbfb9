"""What a run of the example takes: as it is, to update it, and for a test in doubt.

Beside each other in turn, in seconds of one run of pytest, and against the app's own import.
`--before` is the Python of an older checkout, whose example is run in turn too.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import show

EXAMPLE = Path(__file__).parent.parent / "example_project"
BASELINE = "cowmem-baseline.json"
TEST = "tests/test_memory.py::test_search"
TURNS = 3
DOUBTFUL = 200 * 1024  # bytes of standard deviation, and by how much the first layout is too high


def seconds(python: str, folder: Path, *arguments: str) -> float:
    """Return the seconds of a command of a Python, which may not fail."""
    started = time.perf_counter()
    subprocess.run([python, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def run_of(folder: Path, *options: str, python: str = sys.executable) -> float:
    """Return the seconds of a measuring run of pytest."""
    return seconds(python, folder, "-m", "pytest", "-p", "no:cacheprovider", "--cowmem", *options)


def in_doubt(folder: Path) -> None:
    """Write a baseline in which the test's private memory is too high, unless by chance."""
    path = folder / BASELINE
    data = json.loads(path.read_text())
    for profile in data["profiles"].values():
        entry = profile["tests"][TEST]
        entry["conditions"]["layout"] = "another"
        entry["private"]["mean"] -= DOUBTFUL
        entry["private"]["sd"] = DOUBTFUL
    path.write_text(json.dumps(data))


def main(before: Path | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = shutil.copytree(EXAMPLE, Path(name, "shop"))
        doubtful = shutil.copytree(EXAMPLE, Path(name, "doubtful"))
        (folder / BASELINE).unlink()
        run_of(folder, "--cowmem-update", "--cowmem-rounds=3")
        shutil.copy(folder / BASELINE, doubtful)
        in_doubt(doubtful)
        runs: dict[str, Callable[[], float]] = {
            "the app's import": lambda: seconds(
                sys.executable, folder, "-c", "import sys; sys.path.insert(0, ''); import shop.wsgi"
            ),
            "one test": lambda: run_of(folder, TEST),
            "one test, in doubt": lambda: run_of(doubtful, TEST),
            "one test, to update": lambda: run_of(folder, TEST, "--cowmem-update=all"),
            "the example": lambda: run_of(folder),
            "the example, to update all": lambda: run_of(folder, "--cowmem-update=all"),
        }
        if before:
            runs["the example before"] = lambda: run_of(
                before.parents[2] / "example_project", python=str(before)
            )
        spent: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(TURNS):
            for name, run in runs.items():
                spent[name].append(run())
    imported = statistics.median(spent["the app's import"])
    rows = [
        [name, min(times), statistics.median(times), statistics.median(times) / imported]
        for name, times in spent.items()
    ]
    show("What a run takes", rows, ["what", "least s", "median s", "imports of the app"])


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="the Python of an older checkout's venv")
    main(parser.parse_args().before)
