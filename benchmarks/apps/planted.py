"""A 100 MiB app with regressions to plant: the query names one and says how much of it."""

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
    """Read an object on each page, for `amount` bytes of pages."""
    for product in SPREAD[: amount // PAGE]:
        product["id"]


def allocate(amount):
    """Keep `amount` bytes more."""
    KEPT.append(b"x" * amount)


def collect(amount):
    """Collect. The environment variable COLLECTED says how many objects that writes to."""
    gc.collect()


def leak(amount):
    """Keep an object of `amount` bytes; pymalloc rounds up to 16."""
    if amount:
        KEPT.append(bytes(amount - 33))  # a bytes object has 33 bytes beside its content


def app(environ, start_response):
    function, _, amount = environ["QUERY_STRING"].partition("=")
    globals()[function](int(amount))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


# A collection in a worker writes to the lists made after the freeze. The number of all lists is
# always the same, so that nothing else moves.
LISTS: list[object] = [None] * 4096
for index in range(len(LISTS)):
    if index == len(LISTS) - int(os.environ.get("COLLECTED", "1")):
        gc.freeze()
    LISTS[index] = []
del index  # where the last one lies depends on when the freeze came
