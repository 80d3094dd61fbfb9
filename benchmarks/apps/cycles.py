"""An app that preloads many objects, and runs a full collection at each request but for /quiet."""

import gc
import os

KEPT = [[index] for index in range(int(os.environ["OBJECTS"]))]


def app(environ, start_response):
    if environ["PATH_INFO"] != "/quiet":
        gc.collect()
    start_response("200 OK", [])
    return [b"collected"]
