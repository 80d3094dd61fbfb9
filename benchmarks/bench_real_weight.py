"""What one full collection costs workers of a heavy master, with gc.freeze() in it and without.

The master imports litellm, pydantic-ai, pandas, matplotlib and boto3, as benchmarks/real_weight
pins them. Each worker answers three small requests, and collects once.
"""

import argparse
import sys
from pathlib import Path

from common import show
from real_apps import Conditions, project, run, venv_of

HERE = Path(__file__).parent / "real_weight"
MIB = 2**20
SIZES = ["private", "first", "uss", "master", "mapped"]
HEADERS = ["CPython", "test", *(f"{name} MiB" for name in SIZES), "gc_pause ms", "workers"]


def rows(name: str) -> list[list[object]]:
    """Measure on one Python: a row for each test."""
    python = venv_of(name, "weight", [HERE / "requirements.txt"])
    found: list[list[object]] = []
    with project(str(HERE), Conditions(), None) as root:  # its path is absolute
        for outcome in run(python, root, Conditions()):
            if outcome.record is None or outcome.failed:
                raise RuntimeError(f"{outcome.test} was not measured: {outcome.text}")
            values = outcome.record["measurement"]["values"]
            sizes = [values[size] / MIB for size in SIZES]
            test = outcome.test.partition("::")[2]
            pause = values["gc_pause"] / 1e6
            found.append([python.version, test, *sizes, pause, values["workers"]])
    return found


def main(options: argparse.Namespace) -> None:
    found = [row for name in options.python or [sys.executable] for row in rows(name)]
    show("One full collection in each worker", found, HEADERS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
