"""A WSGI app that preloads a million objects, and reads every row at each request."""

from typing import Any

ROWS: list[dict[str, Any]] = [
    {"id": 10**6 + number, "name": f"row {number}"} for number in range(245_000)
]


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(sum(len(row["name"]) for row in ROWS)).encode()]
