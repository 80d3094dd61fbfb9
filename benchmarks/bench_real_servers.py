"""What a worker of the built-in zygote costs, beside one of a real gunicorn, by the same requests.

Apps from PyPI. `private` is above the idle worker, the mean of the layouts; what comes after the
first request is the steady state. A server's worker has dirtied pages before it is idle that a
zygote's dirties at its first request, and its own code takes some for each request.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from common import show
from families import SCENARIOS
from real_apps import Conditions, Outcome, Python, install, project, run, venv_of

MASTERS = Path(__file__).parent / "real_servers" / "test_servers.py"
APPS = ("httpbin", "django", "radicale", "fastapi")
PACKAGES = ("gunicorn==27.0.1",)
BUILT_IN = "zygote"
KIB = 1024
HEADERS = [
    "app",
    "master",
    "private KiB",
    "more %",
    "first KiB",
    "then KiB",
    "more %",
    "copied KiB",
]
HEADERS += ["fresh KiB", "uss KiB", "imports", "collections"]


def measured(python: Python, app: str) -> Iterator[tuple[str, Outcome]]:
    """Give each master's name, and what the app's test measured there."""
    with project(app, Conditions(), None, SCENARIOS, MASTERS) as root:
        for outcome in run(python, root, Conditions(), MASTERS.name, "-k", f"test_{app}"):
            name = outcome.test.rpartition("[")[2].rstrip("]")
            if outcome.record is None:
                print(f"not measured: {app}, {name}: {outcome.text.strip()[:300]}", flush=True)
            else:
                yield name, outcome


def rows(python: Python, app: str) -> Iterator[list[object]]:
    """Give a row for each master, in KiB and per cent of what the built-in one measures."""
    seen = dict(measured(python, app))
    beside = seen.get(BUILT_IN)
    for name, outcome in seen.items():
        values = {metric: outcome.value(metric) or 0 for metric in ("private", "first")}
        then = values["private"] - values["first"]
        row = [app, name, values["private"] // KIB, _more(outcome, beside, "private")]
        row += [values["first"] // KIB, then // KIB, _more(outcome, beside, "private", "first")]
        row += [(outcome.value(metric) or 0) // KIB for metric in ("copied", "fresh", "uss")]
        yield [*row, outcome.value("imports"), outcome.value("gc_collections")]


def _more(outcome: Outcome, beside: Outcome | None, metric: str, less: str = "") -> object:
    """Per cent that a metric is more than in the other outcome, both without another metric."""
    if beside is None or beside is outcome:
        return "-"
    amount, other = (
        (one.value(metric) or 0) - (one.value(less) or 0 if less else 0)
        for one in (outcome, beside)
    )
    return f"{100 * (amount / other - 1):+.1f}"


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
