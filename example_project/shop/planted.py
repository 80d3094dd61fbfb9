"""Regressions to plant. The environment variable SHOP_REGRESSION names the one this shop has; without it there is none.

Each is a line or two that a review might let pass.
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
    """Called at the beginning of every request."""
    if REGRESSION == "leak":
        _seen.append(path.ljust(4096))  # planted: 4 KiB a request that nobody frees


def on_product_page(product, page):
    """Called with every product page."""
    if REGRESSION == "cache":
        _pages[product.id] = page  # planted: every worker fills its own copy, without a limit


def on_recommendations(products):
    """Called with the whole catalogue whenever something is recommended."""
    if REGRESSION == "refcounts":
        max(product.price for product in products)  # planted: reading an object writes its count, so every product is copied


def on_report():
    """Called at the end of every report."""
    if REGRESSION == "gc":
        gc.collect()  # planted: "to free the memory", and it writes to every object of the master


def on_checkout():
    """Called with every order."""
    if REGRESSION == "import":
        import asyncio  # noqa: F401  # planted: each worker loads it anew, and keeps its own copy
