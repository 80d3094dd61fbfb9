"""Take the pictures of the HTML report that the docs show, of the example's red run.

`make screenshots` runs it by hand, since a browser draws text as the machine's fonts are. Runs in a
process of its own, with the Python of tests/browser.
"""

import os
import tempfile
from pathlib import Path

from outputs import Example
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
COMMAND = "SHOP_REGRESSION=refcounts pytest --cowmem --cowmem-report=report.html"
# name: (width and height of the window, colour scheme)
PICTURES = {
    "report": (1100, 1000, "light"),
    "report-dark": (1100, 1000, "dark"),
}


def main() -> None:
    """Measure the example, and write each picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder, sync_playwright() as driver:
        shop = Path(folder) / "shop"
        Example(shop).run(COMMAND)
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = driver.chromium.launch(executable_path=os.environ["CHROMIUM"], args=arguments)
        for name, (width, height, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto((shop / "report.html").as_uri())
            page.locator(".picture > svg > g").first.wait_for(state="attached")
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
