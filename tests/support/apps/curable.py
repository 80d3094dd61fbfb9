"""A WSGI app whose private memory has one cause a path, and each cause a cure of its own."""

import gc
import os
import queue
import threading

SHARED = [{"number": number, "name": f"row {number}"} for number in range(40_000)]
CACHE = {}
LEAKED = []
QUEUES = []
COUNTED = []


def app(environ, start_response):
    """Do what the path says, to the amount that the query gives."""
    number = int(environ["QUERY_STRING"] or 0)
    told = DO[environ["PATH_INFO"]](number)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok" if environ["PATH_INFO"] != "/count" else b"%d" % told]


def import_late(_number):
    import pydoc_data.topics  # noqa: F401


def import_two(_number):
    import email.mime.text  # noqa: F401
    import pydoc_data.topics  # noqa: F401


def fill_cache(number):
    """Keep bytes once for each number."""
    if number not in CACHE:
        CACHE[number] = b"%d" % number * 50_000


def leak(number):
    LEAKED.append(bytes(number))


def leak_entries(number):
    """Keep entries in a list, which makes room for an eighth more each time."""
    LEAKED.extend([None] * number)


def collect(generation):
    gc.collect(generation)  # asked for


def allocate(number):
    """Make so many lists, and drop them: collections come in between."""
    return len([[index] for index in range(number)])


def read(_number):
    return sum(row["number"] for row in SHARED)  # reads all


def turn_on(_number):
    gc.enable()  # turned on
    allocate(5_000)


def end(code):
    os._exit(code)


def start_thread(_number):
    """Have a thread answer, which was started by the first request."""
    if not QUEUES:
        QUEUES.extend((queue.Queue(), queue.Queue()))
        threading.Thread(target=serve, daemon=True).start()
    QUEUES[0].put(1)
    QUEUES[1].get()


def serve():
    while True:
        QUEUES[1].put(QUEUES[0].get())


def do_nothing(_number):
    pass


def fill_once(number):
    """Keep bytes once, whichever request comes first, where no container has them."""
    if not hasattr(fill_once, "kept"):
        fill_once.kept = b"x" * number


def count(_number):
    """How many times this was asked for."""
    COUNTED.append(None)
    return len(COUNTED)


def follow_import():
    import pydoc_data.topics  # noqa: F401


def follow_imports():
    import_two(0)


def follow_cache():
    for number in range(100_000, 100_010):
        fill_cache(number)


def follow_first():
    fill_once(2_000_000)


def follow_freeze():
    gc.freeze()


DO = {
    "/": do_nothing,
    "/import": import_late,
    "/import-two": import_two,
    "/cache": fill_cache,
    "/once": fill_once,
    "/leak": leak,
    "/leak-entries": leak_entries,
    "/collect": collect,
    "/allocate": allocate,
    "/read": read,
    "/thread": start_thread,
    "/turn-on": turn_on,
    "/end": end,
    "/count": count,
}
