"""A WSGI app, Celery's tasks and a function, which say how their process follows a policy."""

import gc
import json
import os
import sys

ROWS = [{"number": number, "tags": [number]} for number in range(100_000)]
KEPT = {}


def app(environ, start_response):
    """Do what the path says, to the amount that the query gives."""
    body = DO[environ["PATH_INFO"]](environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


def state(_query=""):
    return {
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count() > len(ROWS),
        "thresholds": gc.get_threshold(),
        "imported": "pydoc_data.topics" in sys.modules,
        "warm": "20000" in KEPT,
        "malloc": os.environ.get("PYTHONMALLOC"),
    }


def keep(query):
    """Keep as many lists once, as a cache would."""
    if query not in KEPT:
        KEPT[query] = [[number] for number in range(int(query))]
    return len(KEPT)


def late(_query):
    import pydoc_data.topics  # noqa: F401


def collect(_query):
    gc.collect()


def read(_query):
    return sum(row["number"] for row in ROWS)


DO = {
    "/": lambda _query: None,
    "/state": state,
    "/keep": keep,
    "/late": late,
    "/collect": collect,
    "/read": read,
}
