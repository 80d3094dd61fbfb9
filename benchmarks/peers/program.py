"""A program that preloads about 100 MiB of Python objects, and forks a worker.

The worker's requests regress by PLANTED bytes of a KIND.
"""

import gc
import mmap
import os
from itertools import islice

KIND = os.environ["KIND"]
PLANTED = int(os.environ["PLANTED"])
REQUESTS = int(os.environ["REQUESTS"])
PAGE = mmap.PAGESIZE
COUNT = 700_000
# The bytes that hold a record's GC header: its list and its string have 64 bytes each, side by
# side in pymalloc's pools.
RECORD = 128
KEPT = []


def preload():
    """Make the records.

    A collection in a worker writes to those made after the freeze: just one if nothing is planted.
    """
    gc.disable()
    late = max(1, PLANTED // RECORD if KIND == "collect" else 0)
    records = [None] * COUNT
    for index in range(COUNT):
        if index == COUNT - late:
            gc.freeze()
        records[index] = [f"record {index}"]
    gc.enable()
    gc.collect()
    return records


RECORDS = preload()
ONE_A_PAGE = list({id(record) // PAGE: record for record in RECORDS}.values())


def request():
    """Serve one request."""
    if KIND == "read":
        for record in islice(ONE_A_PAGE, PLANTED // PAGE):
            record[0]
    elif KIND == "collect":
        gc.collect()
    elif PLANTED:  # allocate, in the only request; leak, in each
        KEPT.append(b"x" * (PLANTED // REQUESTS))


def work():
    """Serve them all."""
    for _ in range(REQUESTS):
        request()


def in_worker(measure):
    """Fork a worker that only calls `measure`, and return the whole number that it gave."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(measure() or 0).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return int(found)


def app(environ, start_response):
    """The same as a WSGI app."""
    request()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
