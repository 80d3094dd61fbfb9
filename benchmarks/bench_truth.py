"""Whether the figures are true: a worker writes to a known number of pages.

It copies pages or allocates new ones, in C and in Python. The benchmark fails where an error is
larger than allowed.
"""

from collections.abc import Callable

from common import measure, show, zygote

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.procfs import PAGE

SIZES = (1, 16, 256, 4096, 51200)  # pages: 4 KiB to 200 MiB
KINDS = {"copied": ("rewrite_c", "rewrite_python"), "fresh": ("allocate_c", "allocate_python")}
# A bytearray smaller than M_MMAP_THRESHOLD (mallopt(3)) may fill a hole in the heap, on pages that
# the master has too. How many of its pages are fresh is then unknown, so only private is checked.
# A larger one is new memory, but for a page or two.
UNKNOWN_BELOW = {"allocate_python": 128 * 1024 // PAGE}
HEADERS = ["what", "metric", "pages", "error of private", "error of metric (-: not checked)"]


def calling(function: str, pages: int) -> Callable[[CowWorker], object]:
    """Return a scenario that calls a function of the app with a number of pages."""
    return lambda client: client.call(f"pages:{function}", pages)


def main() -> None:
    rows: list[list[object]] = []
    with zygote("pages:app") as running:
        for metric, functions in KINDS.items():
            for function in functions:
                quiet = measure(running, calling(function, 0)).values
                for pages in SIZES:
                    values = measure(running, calling(function, pages)).values
                    told = pages > UNKNOWN_BELOW.get(function, 0)
                    checked = ("private", metric) if told else ("private",)
                    errors = {
                        name: (values[name] - quiet[name]) // PAGE - pages for name in checked
                    }
                    allowed = max(8, pages // 100)
                    holds = all(abs(error) <= allowed for error in errors.values())
                    row = [function, metric, pages, errors["private"], errors.get(metric, "-")]
                    rows.append([*row, allowed, "yes" if holds else "NO"])
    title = "Truth: errors in pages, beyond the same call with no pages"
    show(title, rows, [*HEADERS, "allowed", "holds"])
    assert all(row[-1] == "yes" for row in rows)


if __name__ == "__main__":
    main()
