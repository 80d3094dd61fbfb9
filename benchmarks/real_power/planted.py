"""The project's app with regressions to plant. Runs in the zygote and its workers.

A worker is told by a call what to plant, once, or with each request from then on.
"""

import gc
import importlib
import mmap
import os
import sys
from functools import wraps

from inner import inner

LISTS = 8192  # of 64 bytes each, with the header that the collector needs
LIST_BYTES = 64

KEPT = []
LEAKED = 0
LISTED = []
TEXTS = [f"{number:0100}" for number in range(20_000)]
_first_on_page = {id(text) // mmap.PAGESIZE: text for text in TEXTS}
SPREAD = list(_first_on_page.values())  # one text a page
del _first_on_page


def leaking(function):
    """Return the function, which keeps an object with every call once `leak` has said how large."""

    @wraps(function)
    def wrapper(*args):
        if LEAKED:
            KEPT.append(object() if LEAKED == 16 else bytes(LEAKED - 33))
        return function(*args)

    return wrapper


app = leaking(inner)
if "tasks" in sys.modules:  # Celery's are called
    tasks = sys.modules["tasks"]
    tasks.perform = leaking(tasks.perform)


def prepare():
    """Prepare the app as its project does; then freeze all but what a collection is to write to."""
    if before := os.environ.get("PLANTED_PREPARE"):
        module, _, name = before.partition(":")
        getattr(importlib.import_module(module), name)()
    collected = os.environ.get("PLANTED_COLLECTED")
    if collected is not None:
        LISTED.extend([] for _ in range(LISTS - int(collected) // LIST_BYTES))
        gc.freeze()
        LISTED.extend([] for _ in range(int(collected) // LIST_BYTES))


def read(amount):
    """Read an object on each page, for `amount` bytes of pages."""
    for text in SPREAD[: amount // mmap.PAGESIZE]:
        len(text)


def allocate(amount):
    """Keep `amount` bytes more."""
    if amount:
        KEPT.append(b"x" * amount)


def collect(_amount):
    """Collect; PLANTED_COLLECTED says how many bytes of lists that writes to."""
    gc.collect()


def collect_all(amount):
    """Collect all that the app has, which nobody froze."""
    if amount:
        gc.collect()


def leak(amount):
    """Keep an object of `amount` bytes with each request; pymalloc rounds up to 16."""
    global LEAKED
    LEAKED = amount


def late(name):
    """Import a module that the app does not have."""
    if name:
        importlib.import_module(name)
