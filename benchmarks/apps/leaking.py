"""A Flask app whose requests keep something, as the query says, or only seem to."""

from functools import lru_cache
from itertools import count

import flask

KEPT: list[object] = []
BY_NAME: dict[str, object] = {}
_numbers = count(1000)


@lru_cache(maxsize=128)
def cached(number):
    return str(number) * 10


def nothing():
    """Keep nothing."""


def one_object():
    KEPT.append(object())


def bytes_64():
    KEPT.append(bytes(64))


def bytes_1024():
    KEPT.append(bytes(1024))


def ten_objects():
    KEPT.append([object() for _ in range(10)])


def dict_entry():
    BY_NAME[f"request {next(_numbers)}"] = None


def lru_128():
    cached(next(_numbers))


def cache_of_30():
    """Fill a cache and stop: no leak."""
    if len(BY_NAME) < 30:
        BY_NAME[f"page {next(_numbers)}"] = bytes(1024)


def cycles():
    """Leave garbage to the collector: no leak."""
    for _ in range(10):
        cycle: list[object] = []
        cycle.append(cycle)


app = flask.Flask(__name__)


@app.get("/<name>")
def planted(name):
    globals()[name]()
    return {"kept": len(KEPT)}
