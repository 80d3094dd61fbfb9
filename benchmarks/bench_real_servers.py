"""What a worker of the built-in zygote costs, beside one of a real gunicorn, by the same requests.

Apps from PyPI. `private` is above the idle worker, the mean of five layouts, and `deviation` their
standard deviation. Three of four rounds of one layout are within the `spread`. A server's worker
has dirtied pages before it is idle that a zygote's dirties at its first request, and its own code
takes some for each request.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import stdev

from common import show
from families import SCENARIOS
from real_apps import Conditions, Outcome, Python, install, project, run, venv_of

MASTERS = Path(__file__).parent / "real_servers" / "test_servers.py"
APPS = ("httpbin", "django", "radicale", "fastapi")
PACKAGES = ("gunicorn==27.0.1",)
BUILT_IN = "zygote"
KIB = 1024
HEADERS = ["app", "master", "private KiB", "more %", "deviation", "spread", "first", "then"]
HEADERS += ["copied", "fresh", "idle", "uss", "imports", "collections"]


def measured(python: Python, app: str) -> Iterator[tuple[str, Outcome]]:
    """Give each master's name, and what the app's test measured there."""
    with project(app, Conditions(), None, SCENARIOS, MASTERS) as root:
        options = MASTERS.name, "-k", f"test_{app}", "--cowmem-update"
        for outcome in run(python, root, Conditions(), *options):
            name = outcome.test.rpartition("[")[2].rstrip("]")
            if outcome.record is None:
                print(f"not measured: {app}, {name}: {outcome.text.strip()[:300]}", flush=True)
            else:
                yield name, outcome


def rows(python: Python, app: str) -> Iterator[list[object]]:
    """Give a row for each master, in KiB, and per cent of what the built-in one measures."""
    seen = dict(measured(python, app))
    beside = seen.get(BUILT_IN)
    for name, outcome in seen.items():
        assert outcome.record is not None
        measurement = outcome.record["measurement"]
        values, layouts = measurement["values"], measurement["layouts"]["private"]
        private, first, uss = (values[metric] for metric in ("private", "first", "uss"))
        amounts = [round(stdev(layouts)), measurement["spread"]["private"], first, private - first]
        amounts += [values["copied"], values["fresh"], uss - private, uss]
        row = [app, name, private // KIB, _more(private, beside)]
        row += [amount // KIB for amount in amounts]
        yield [*row, values["imports"], values["gc_collections"]]


def _more(private: int, beside: Outcome | None) -> str:
    """Per cent that `private` is more than in the built-in zygote."""
    other = beside.value("private") if beside else None
    return f"{100 * (private / other - 1):+.1f}" if other else "-"


def main(options: argparse.Namespace) -> None:
    for name in options.python or [sys.executable]:
        python = venv_of(name)
        install(python.executable, *PACKAGES)
        table = [row for app in options.app or APPS for row in rows(python, app)]
        show("A worker of each master", table, HEADERS, python.version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", action="append", choices=APPS, help="only this app; repeatable")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to measure; repeatable (default: the running one)",
    )
    main(parser.parse_args())
