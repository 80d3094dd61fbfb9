"""A 100 MiB app with regressions to plant, each by an endpoint whose query says how much."""

import gc
import mmap
import os

from big import PRODUCTS

PAGE = mmap.PAGESIZE
KEPT: list[object] = []
_first_on_page = {id(product) // PAGE: product for product in PRODUCTS}
SPREAD = list(_first_on_page.values())  # one product a page
del _first_on_page


def read(amount):
    """Refer to an object on each of `amount` bytes' worth of pages."""
    for product in SPREAD[: amount // PAGE]:
        product["id"]


def allocate(amount):
    """Keep so many bytes more."""
    KEPT.append(b"x" * amount)


def collect(amount):
    """Collect; the amount is in how much was left to collect."""
    gc.collect()


def leak(amount):
    """Keep an object of so many bytes, pymalloc's own rounding up to 16 aside."""
    if amount:
        KEPT.append(bytes(amount - 33))


def app(environ, start_response):
    function, _, amount = environ["QUERY_STRING"].partition("=")
    globals()[function](int(amount))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


# As many lists in any case, so that nothing else moves; those made after the freeze are what a collection in a worker writes to.
LISTS: list[object] = [None] * 4096
for index in range(len(LISTS)):
    if index == len(LISTS) - int(os.environ.get("COLLECTED", "1")):
        gc.freeze()
    LISTS[index] = []
