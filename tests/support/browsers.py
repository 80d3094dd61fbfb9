"""Pages of reports in a real browser: Debian's Chromium, without a window.

`make test-browser` has what it takes. A page fails its test where it writes to the console or asks
for anything but itself.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser():
    """The browser that all tests share."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found:
        pytest.skip("there is no chromium: .ci/chromium says how to get it")
    # Root, whom containers run as, has no sandbox.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=arguments)
        yield running
        running.close()


@pytest.fixture
def show(browser, tmp_path):
    """`show(text)` opens a page; `width` is the window's, and further options are a context's."""
    contexts: list[Any] = []
    said: list[str] = []

    def open_page(text, width=1440, **options):
        path = Path(tmp_path / f"{len(contexts)}.html")
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: _note(said, request.url, path.as_uri()))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def _note(said, url, own):
    if url != own and not url.startswith("data:"):
        said.append(f"asked for {url}")
