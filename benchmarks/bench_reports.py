"""What reports of 1,000 tests take: CPU time to make each format, its size, and to open the page.

Every tenth test is red and traced. All have a map of 12,000 pages, of which one in sixteen is the
worker's own. Opening is timed where playwright and a browser are there, as `make test-browser` has
them: until the first red test's pictures are drawn.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common import show

from pytest_cowmem.files import report
from pytest_cowmem.model.document import Document
from pytest_cowmem.report.files import FORMATS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from pictured import many

TESTS = 1000
TIMES = 3
COLUMNS = ["suffix", "CPU s", "MB"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = many(TESTS)
        paths = [Path(folder) / f"run{suffix}" for suffix in FORMATS]
        times = [made(run, path) for path in paths]
        sizes = [path.stat().st_size / 1e6 for path in paths]
        rows = list(zip([*FORMATS, "all"], [*times, sum(times)], [*sizes, sum(sizes)], strict=True))
        show(f"Reports of {TESTS:,} tests", rows, COLUMNS)
        browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if browser:
            seconds = opened(browser, Path(folder) / "run.html")
            show("Opening the page", [[seconds]], ["s"])


def made(run: Document, path: Path) -> float:
    """The least CPU seconds that writing a run took, of several times."""
    times = []
    for _ in range(TIMES):
        before = time.process_time()
        report.write(run, path)
        times.append(time.process_time() - before)
    return min(times)


def opened(browser: str, path: Path) -> float:
    """The least seconds until a page's first pictures are drawn, of several times."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    times = []
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=browser, args=arguments)
        for _ in range(TIMES):
            page = running.new_page(viewport={"width": 1440, "height": 900})
            page.goto("about:blank")
            before = time.perf_counter()
            page.goto(path.as_uri())
            page.locator(".picture > svg > g").first.wait_for(state="attached")
            times.append(time.perf_counter() - before)
            page.close()
        running.close()
    return min(times)


if __name__ == "__main__":
    main()
