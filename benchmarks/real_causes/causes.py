"""Fourteen causes of private memory, a section each. Runs in the zygote and its workers.

The function that is named like its section is called in each request. What it takes is 1 to 3 MiB,
at once or by some 16 KiB a request; `collect` takes what the app is, and `cycles` more a request.
"""

import functools
import gc
import logging
import os
import re
import threading
from itertools import count
from typing import ClassVar

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads of its own would be another cause

import jinja2
import numpy

A_REQUEST = 16 * 1024
numbers = count(1)


# cause: nothing
def nothing():
    """Plant nothing."""


# cause: read
class Product:
    """An object of the heap."""

    def __init__(self, price):
        self.price = price


PRODUCTS = [Product(number % 90) for number in range(20_000)]


def read():
    """Read all products, which writes to the count of references of each."""
    return sum(product.price for product in PRODUCTS)


# cause: cache
CACHE = {}


def cache():
    """Fill a cache at the first request."""
    if not CACHE:
        for number in range(12_000):
            CACHE[number] = f"{number:080}"


# cause: late
def late():
    """Import a module that the master has not."""
    import numpy.polynomial

    return numpy.polynomial


# cause: collect
def collect():
    """Collect in full."""
    gc.collect()


# cause: leak
class Session:
    """What is kept of a visitor."""

    def __init__(self):
        self.visited = []


SESSIONS = {"ann": Session()}


def leak():
    """Keep a page with an object that lies in a dictionary."""
    SESSIONS["ann"].visited.append(bytes(A_REQUEST))


# cause: regex
PATTERNS = {}
BOOK = "a book that is about the memory of programs, and of those who lose it, by several authors"


def regex():
    """Keep compiled patterns."""
    number = next(numbers)
    for shelf in "abcdefgh":
        PATTERNS[number, shelf] = re.compile(rf"{number}{shelf}: {BOOK}(, [a-z]+)*|\d+ {BOOK}$")


# cause: handlers
log = logging.getLogger("causes")


def handlers():
    """Add handlers of the log."""
    for _ in range(20):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        log.addHandler(handler)


# cause: arrays
ARRAYS = []


def arrays():
    """Keep an array of numpy."""
    ARRAYS.append(numpy.ones(A_REQUEST // 8))


# cause: registry
class Plugin:
    """A class that knows its subclasses."""

    registry: ClassVar = []

    def __init_subclass__(cls):
        Plugin.registry.append(cls)


def registry():
    """Make classes."""
    for number in range(8):
        type(f"Plugin{number}", (Plugin,), {"number": number})


# cause: lru
@functools.cache
def rendered(number):
    """Return a page."""
    return f"{number:0{A_REQUEST}}"


def lru():
    """Ask for a page that nobody asked for before."""
    rendered(next(numbers))


# cause: closure
def remembering():
    """Return a function that keeps what it is given."""
    seen = []

    def remember(page):
        seen.append(page)

    return remember


remember = remembering()


def closure():
    """Have a page kept by a function."""
    remember(bytes(A_REQUEST))


# cause: cycles
class Node:
    """A part of a tree that knows itself."""

    def __init__(self):
        self.root = self
        self.text = bytes(A_REQUEST)


def cycles():
    """Leave garbage that only a collection frees."""
    for _ in range(20):
        Node()


# cause: thread
stopped = threading.Event()


def thread():
    """Start a thread that stays."""
    threading.Thread(target=stopped.wait, daemon=True).start()


# cause: template
TEMPLATE = "<h1>{{ title }}</h1>{% for row in rows %}<p>{{ row }}</p>{% endfor %}"
environment = jinja2.Environment(loader=jinja2.FunctionLoader(lambda name: f"{TEMPLATE}{name}"))


def template():
    """Render templates of a visitor's own, which the environment caches."""
    for _ in range(3):
        page = environment.get_template(f"page{next(numbers)}")
        page.render(title="page", rows=[1, 2, 3])
