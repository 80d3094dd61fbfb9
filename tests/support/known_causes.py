"""Programs that lose shared pages for a known cause.

The line to be charged has its function's name in a comment.
"""

import _thread
import gc
import itertools
import json
import queue
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache

SHARED = [
    {"id": number, "name": f"item {number}", "tags": [number, number + 1]}
    for number in range(30_000)
]
LISTS = [[number] for number in range(150_000)]
TEXT = json.dumps([list(range(1_000_000, 1_000_100)) for _ in range(2_500)])
PATTERN = "|".join(
    f"(?P<name{number}>[a-z]{{{number % 7 + 1}}}{number}.*?)" for number in range(2400)
)
CACHE: dict[int, str] = {}
LEAKED: list[bytes] = []
KEPT: list[object] = []


def empty() -> None:
    pass


def read_shared() -> None:
    gc.disable()
    total = 0
    for row in SHARED:  # read_shared
        total += len(row["name"])


def build_list() -> None:
    gc.disable()
    KEPT.append([str(number) for number in range(200_000)])  # build_list


def spoil_cache() -> None:
    """Nobody calls this, so that it cannot be what fills the cache."""
    CACHE[0] = ""


def fill_cache() -> None:
    for number in range(20_000):
        if number not in CACHE:
            CACHE[number] = f"<li>{number:0800}</li>"  # fill_cache


def collect() -> None:
    gc.collect()  # collect


def import_late() -> None:
    import pydoc_data.topics  # import_late

    KEPT.append(pydoc_data.topics)


def import_own() -> None:
    import late_causes  # import_own

    KEPT.append(late_causes)


def keep_in_late_module() -> None:
    import late_causes

    late_causes.remember()


LAZY: "list[bytes] | None" = None


def keep_in_lazy_global() -> None:
    global LAZY
    LAZY = []
    for number in range(3_000):
        LAZY.append(b"%d" % number * 600)  # keep_in_lazy_global


def compile_pattern() -> None:
    KEPT.append(re.compile(PATTERN))  # compile_pattern


class Service:
    def __init__(self) -> None:
        self.history: list[bytes] = []


SERVICE = Service()


def make_counter() -> "Callable[[bytes], None]":
    kept = set()

    def count(value: bytes) -> None:
        kept.add(value)  # keep_in_closure

    return count


COUNT = make_counter()


def keep_in_attribute() -> None:
    for number in range(3_000):
        SERVICE.history.append(b"%d" % number * 600)  # keep_in_attribute


def keep_in_closure() -> None:
    for number in range(3_000):
        COUNT(b"%d" % number * 600)


def keep_in_default(kept: "list[bytes]" = []) -> None:  # noqa: B006
    for number in range(3_000):
        kept.append(b"%d" % number * 600)  # keep_in_default


@cache  # keep_in_lru_cache
def cached(number: int) -> bytes:
    return b"%d" % number * 600


def keep_in_lru_cache() -> None:
    for number in range(3_000):
        cached(number)


def keep_on_one_of_two_lines(few: bool = False) -> None:
    if few:
        CACHE[0] = ""
    for number in range(3_000):
        CACHE[number] = f"{number:0600}"  # keep_on_one_of_two_lines


def leak() -> None:
    for _ in range(5_000):
        LEAKED.append(bytes(1_000))  # leak


def parse_json() -> None:
    KEPT.append(json.loads(TEXT))  # parse_json


def fill_sqlite() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table items (name text)")
    rows = (("x" * 400,) for _ in range(20_000))
    connection.executemany("insert into items values (?)", rows)  # fill_sqlite
    KEPT.append(connection)


def in_thread() -> None:
    thread = threading.Thread(target=work_in_thread)
    thread.start()
    thread.join()


def work_in_thread() -> None:
    gc.disable()
    KEPT.append([str(number) for number in range(200_000)])  # in_thread


def in_raw_thread() -> None:
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(work_in_raw_thread, (), {"done": done})
    done.acquire()


def work_in_raw_thread(done: _thread.LockType) -> None:
    gc.disable()
    KEPT.append([str(number) for number in range(200_000)])  # in_raw_thread
    done.release()


def in_waiting_thread() -> None:
    """The thread has no event any more: one call takes memory, and waits for ever."""
    _thread.start_new_thread(work_and_wait, ())
    while len(KEPT) < 4:
        time.sleep(0.01)


def work_and_wait() -> None:
    for_ever = iter(queue.SimpleQueue().get, None)
    KEPT.extend(itertools.chain(map(b"x".__mul__, [2**20] * 4), for_ever))  # in_waiting_thread


def after_settrace() -> None:
    gc.disable()
    sys.settrace(None)
    threading.settrace(lambda *_: None)
    allocate_after_settrace()


def allocate_after_settrace() -> None:
    KEPT.append([str(number) for number in range(200_000)])  # after_settrace


def fill_stack() -> None:
    """Python 3.11 stops trace events where the stack is full."""
    try:
        fill_stack()
    except RecursionError:
        return


def after_full_stack() -> None:
    fill_stack()
    gc.collect(0)
    allocate_after_full_stack()


def allocate_after_full_stack() -> None:
    KEPT.append([str(number) for number in range(200_000)])  # after_full_stack


def unseen() -> None:
    gc.disable()
    fill_stack()
    allocate_after_full_stack()


def app(environ: "dict[str, str]", start_response: "Callable[..., object]") -> "list[bytes]":
    gc.disable()
    if environ["PATH_INFO"] == "/fill":
        fill_stack()
    else:
        allocate_after_full_stack()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def allocate_after_return() -> None:
    KEPT.append(render() * 8_000_000)  # allocate_after_return


def allocate_after_raise() -> None:
    try:
        fail()
    except ValueError:
        KEPT.append(b"y" * 8_000_000)  # allocate_after_raise


def allocate_in_generator() -> None:
    for piece in generate():
        KEPT.append(piece)


def render() -> bytes:
    return b"x"


def fail() -> None:
    raise ValueError


def generate() -> Iterator[bytes]:
    for number in range(8):
        yield bytes([number]) * 1_000_000  # allocate_in_generator


def told() -> "dict[str, int]":
    """What the shared objects measure, the garbage collector's headers included."""
    lists = [SHARED, LISTS, *LISTS, *(row["tags"] for row in SHARED)]
    return {"dict": sum(map(sys.getsizeof, SHARED)), "list": sum(map(sys.getsizeof, lists))}
