"""Regressions to plant: the environment variable SHOP_REGRESSION names the one this shop has.

Each is a line or two that a review might let pass. Without the variable there is none.
"""

import gc
import os

REGRESSION = os.environ.get("SHOP_REGRESSION", "")
KNOWN = ("", "refcounts", "cache", "leak", "gc", "import")
if REGRESSION not in KNOWN:
    raise ValueError(f"SHOP_REGRESSION={REGRESSION!r} is none of {', '.join(KNOWN[1:])}")

_pages = {}
_seen = []


def on_request(path):
    """Run at the beginning of every request."""
    if REGRESSION == "leak":
        _seen.append(path.ljust(4096))  # planted: 4 KiB for each request, never freed


def on_product_page(product, page):
    """Run with every product page."""
    if REGRESSION == "cache":
        _pages[product.id] = page  # planted: each worker fills a copy of its own, without limit


def on_recommendations(products):
    """Run with the whole catalogue for every recommendation."""
    if REGRESSION == "refcounts":
        max(product.price for product in products)  # planted: each read writes an object's count


def on_report():
    """Run at the end of every report."""
    if REGRESSION == "gc":
        gc.collect()  # planted: it writes to every object of the master


def on_checkout():
    """Run with every order."""
    if REGRESSION == "import":
        import asyncio  # noqa: F401  # planted: each worker loads a copy of its own
