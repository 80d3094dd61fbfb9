"""What the benchmarks share: tables, the machine in one line, and zygotes of their apps.

Runs in the process of each benchmark, which plays pytest's part.
"""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tabulate import tabulate

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.machine import cpu_model
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.measurement import Sample

APPS = Path(__file__).parent / "apps"


def show(
    title: str, rows: Sequence[Sequence[object]], headers: Sequence[str], python: str = ""
) -> None:
    """Print one table under a title; `python` is the measured version, if not the running one."""
    print(f"\n## {title}\n{machine(python)}\n")
    print(tabulate(rows, headers=headers, tablefmt="github", floatfmt=".2f"), flush=True)


def machine(python: str = "") -> str:
    """Return where and when the figures were measured, in one line."""
    systems = f"Linux {platform.release()}, CPython {python or platform.python_version()}"
    return f"{time.strftime('%Y-%m-%d')}, {cpu_model()}, {systems}"


@contextmanager
def zygote(target: str, **options: object) -> Iterator[Zygote]:
    """Run a zygote of an app in benchmarks/apps."""
    with closing(Zygotes(APPS, [], 600)) as zygotes:
        yield zygotes.get(App(target, **options))  # type: ignore[arg-type]


def measure(running: Zygote, body: Callable[[CowWorker], object]) -> Sample:
    """Measure one round and a full collection beside it; `body` is called with its client."""
    full = running.full_collection()
    with CowWorker() as client, Round(running, 600) as current:
        client.enter_round(current)
        body(client)
        return current.finish(full)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run that many processes that only use CPU, until the block ends."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
