"""What eight workers of gunicorn take, beside what one test of the plugin predicts.

Three apps from PyPI. Two more, with --app, are those that capacity.SERVER was taken from. The
test's requests are made to each worker of a real gunicorn, while the others are stopped. Measured
is what these processes would take if nothing else ran on the host: the sum of PSS, but for pages of
files. Of these each is counted once, however many others have it.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from common import show
from families import APPS, SCENARIOS, Family, family
from real_apps import Conditions, Python, install, project, run, venv_of

from pytest_cowmem.model import capacity

PROVED = ["httpbin", "django", "radicale"]  # capacity.SERVER is of the others
GUNICORN = "gunicorn==27.0.1"
KIB = 1024
HEADERS = ["app", "workers", "predicted KiB", "measured KiB", "difference %", "sum of PSS KiB"]
PARTS = ["app", "workers", "master", "there", "uss", "there", "least", "most", "mapped", "there"]
Pair = tuple[Mapping[str, int], Family]


def pairs(python: Python, app: str, counts: Sequence[int]) -> Iterator[Pair]:
    """Give what the test measures, and a gunicorn with each number of workers."""
    with project(app, Conditions(), None, SCENARIOS) as root:
        (outcome,) = run(python, root, Conditions(), f"{SCENARIOS.name}::test_{app}")
        if outcome.record is None or outcome.failed:
            raise RuntimeError(f"{app} was not measured: {outcome.text}")
        for count in counts:
            values = outcome.record["measurement"]["values"]
            yield values, family(python.executable, app, root, count)


def predicted(app: str, pair: Pair) -> list[object]:
    """Return a row of the first table: what is predicted and measured, in KiB and per cent."""
    values, seen = pair
    count = len(seen.uss)
    told = capacity.total(count, values, values["uss"])
    off = 100 * (told / seen.alone - 1)
    return [app, count, told // KIB, seen.alone // KIB, off, seen.pss // KIB]


def parts(app: str, pair: Pair) -> list[object]:
    """Return a row of the second table: what both consist of, in KiB."""
    values, seen = pair
    amounts = [values["master"], seen.master, values["uss"], round(mean(seen.uss))]
    amounts += [min(seen.uss), max(seen.uss), values["mapped"], seen.files]
    return [app, len(seen.uss), *(amount // KIB for amount in amounts)]


def main(options: argparse.Namespace) -> None:
    for name in options.python or [sys.executable]:
        python = venv_of(name)
        install(python.executable, GUNICORN)
        seen = [
            (app, pair)
            for app in options.app or PROVED
            for pair in pairs(python, app, options.workers)
        ]
        rows = [predicted(app, pair) for app, pair in seen]
        show("Capacity: predicted and measured", rows, HEADERS, python.version)
        rows = [parts(app, pair) for app, pair in seen]
        show("Capacity: parts here and there, in gunicorn, in KiB", rows, PARTS, python.version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", action="append", choices=APPS, help="only this app; repeatable")
    parser.add_argument("--workers", type=int, nargs="+", default=[8], help="(default: 8)")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
