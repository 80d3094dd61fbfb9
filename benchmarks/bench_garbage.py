"""Garbage that collections free: how far layouts and rounds differ, and what is red by chance.

The example makes its report sixteen times after a freeze, two rounds in each layout. Then five and
five of these layouts are drawn, as a baseline and a run, and held to what chance may make of them.
"""

import argparse
import math
import random
import statistics
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from common import measure, show

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.judge.layouts import noise
from pytest_cowmem.model.app import App
from pytest_cowmem.model.baseline import LAYOUTS

EXAMPLE = Path(__file__).parent.parent / "example_project"
REPORTS = 16
ERRORS = 3.5
DRAWN = 100_000
APART = 16  # pages; the first round after another question to the zygote differs by up to 3
HEADERS = [
    "layouts",
    "private pages",
    "sd",
    "least",
    "most",
    "rounds apart",
    "red by chance",
    "by standard errors alone",
]


def make_reports(client: CowWorker) -> None:
    """Leave garbage."""
    for _ in range(REPORTS):
        client.get("/report").raise_for_status()


def rounds_of(seed: int) -> list[int]:
    """Return the private pages of two rounds in a layout."""
    app = App("shop.wsgi:app", gc="freeze")
    with closing(Zygote(app, EXAMPLE, [str(EXAMPLE)], 600, seed)) as zygote:
        zygote.wait_for_app()
        return [measure(zygote, make_reports).values["private"] // PAGE for _ in range(2)]


def exceeds(before: list[int], after: list[int]) -> tuple[bool, bool]:
    """Whether the mean of `after` is too high for chance, and for 3.5 standard errors alone."""
    deviations = [statistics.stdev(pages) * PAGE for pages in (before, after)]
    more = (statistics.mean(after) - statistics.mean(before)) * PAGE
    error = math.sqrt(statistics.fmean(one**2 for one in deviations) * 2 / LAYOUTS)
    return more > noise(*((one, LAYOUTS) for one in deviations)), more > ERRORS * error


def red_by_chance(pages: list[int]) -> Iterator[str]:
    """Yield how many of DRAWN baselines and runs are red, and would be by standard errors alone."""
    chance = random.Random(1)
    drawn = [
        exceeds(chance.choices(pages, k=LAYOUTS), chance.choices(pages, k=LAYOUTS))
        for _ in range(DRAWN)
    ]
    for red in zip(*drawn, strict=True):
        yield f"{sum(red) / DRAWN:.2%}"


def main() -> None:
    """Measure, and print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layouts", type=int, default=40)
    layouts = [rounds_of(seed) for seed in range(1, parser.parse_args().layouts + 1)]
    pages = [first for first, _ in layouts]
    show(
        "garbage",
        [
            [
                len(pages),
                statistics.mean(pages),
                statistics.stdev(pages),
                min(pages),
                max(pages),
                sum(abs(first - second) > APART for first, second in layouts),
                *red_by_chance(pages),
            ]
        ],
        HEADERS,
    )


if __name__ == "__main__":
    main()
