"""An app that preloads 300,000 objects, and runs a full collection at each request."""

import gc

KEPT = [[index] for index in range(300_000)]


def app(environ, start_response):
    gc.collect()
    start_response("200 OK", [])
    return [b"collected"]
