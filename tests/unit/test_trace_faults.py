"""How faults are counted and logged, on a tracer that no process listens to."""

import contextlib
import ctypes
import mmap
import os
import socket
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from pytest_cowmem.zygote.trace import faults
from pytest_cowmem.zygote.trace.faults import CALLED, Log, Thread, Tracer

APP = "/srv/shop/views.py"
FIRST, SECOND = (1, 2, 3, 4, 0), (5, 6, 0, 0, 1)


def code_of(path: str, name: str = "view") -> "faults.CodeType":
    return compile(f"def {name}(): pass", path, "exec").co_consts[0]  # type: ignore[no-any-return]


@pytest.fixture
def tracer() -> Tracer:
    return Tracer(["/srv/shop"])


def test_a_log_gives_what_was_added_in_order() -> None:
    log = Log()
    log.add(FIRST, 7)
    log.add(SECOND, 8)
    assert list(log.rows()) == [(0, FIRST, 7, 0, False), (1, SECOND, 8, 0, False)]


def test_a_log_tells_what_came_after_the_mark_apart() -> None:
    log = Log()
    log.add(FIRST, 7)
    log.mark()
    log.add(FIRST, 8)
    log.add(SECOND, 9)
    assert list(log.rows()) == [
        (0, FIRST, 7, 0, False),
        (2, FIRST, 8, 0, True),
        (3, SECOND, 9, 0, True),
    ]


def test_a_log_forgets_all_that_came_before() -> None:
    log = Log()
    log.add(FIRST, 7)
    log.forget()
    log.add(SECOND, 8)
    assert list(log.rows()) == [(2, SECOND, 8, 0, False)]


def test_a_full_log_adds_up_under_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_ROWS", 3)
    log = Log()
    assert [log.add(FIRST, pages) for pages in (1, 2, 3, 4, 5)] == [0, 1, 2, 2, 2]
    assert list(log.rows()) == [
        (0, FIRST, 1, 0, False),
        (1, FIRST, 2, 0, False),
        (2, (0, 0, 0, 0, 0), 12, 0, False),
    ]


def test_a_collection_is_logged_though_it_has_no_fault() -> None:
    log = Log()
    log.add(FIRST, 0)
    log.add(SECOND, 0, 3)
    assert list(log.rows()) == [(1, SECOND, 0, 3, False)]


def test_touching_leaves_words_as_they_are() -> None:
    words = faults.integers(2_000)
    words[0], words[512], words[1_024] = 3, 4, 5
    faults.touch(words, 1_500)
    assert (words[0], words[512], words[1_024]) == (3, 4, 5)


def test_code_objects_are_numbered_from_one(tracer: Tracer) -> None:
    codes = [code_of(APP, name) for name in ("first", "second", "third")]
    assert [tracer.code(Thread(0), code) for code in codes] == [1, 2, 3]
    assert [tracer.codes[id(code)] for code in codes] == [1, 2, 3]
    assert list(tracer.lines[:4]) == [0, 1, 1, 1]


def test_code_objects_without_room_share_the_last_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_MOST_CODES", 4)
    tracer = Tracer(["/srv/shop"])
    codes = [code_of(APP, f"view_{number}") for number in range(5)]
    assert [tracer.code(Thread(0), code) for code in codes] == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("met", [0, 1, 100, 170])
def test_there_is_room_for_as_many_code_objects_as_were_met(tracer: Tracer, met: int) -> None:
    kept = [code_of(APP) for _ in range(2 * met)]
    for code in kept[:met]:
        tracer.code(tracer.thread(), code)
    tracer.make_room()
    assert [*tracer.codes.values()] == list(range(1, met + 1))
    size = sys.getsizeof(tracer.codes)
    for code in kept[met:]:
        tracer.code(tracer.thread(), code)
    assert sys.getsizeof(tracer.codes) == size


def test_only_a_librarys_code_is_left_alone_in_time(tracer: Tracer) -> None:
    def left(path: str) -> int:
        return tracer.left[tracer.code(Thread(0), code_of(path))]

    assert left(APP) == -1
    assert left("/usr/lib/flask.py") == faults._PATIENCE
    assert left(str(faults.__file__)) == 0


def test_what_runs_once_is_listened_to_throughout_and_not_kept(tracer: Tracer) -> None:
    bodies = [compile(f"AT = {number}", "<template>", "exec") for number in range(3)]
    index = {tracer.code(Thread(0), body) for body in bodies}
    assert index == {1}
    assert tracer.left[1] == -1
    tracer.make_room()
    assert tracer.code(Thread(0), bodies[0]) == 1
    assert not {*map(id, bodies)} & tracer.codes.keys()


def test_app_code_ran_once_it_had_an_event(tracer: Tracer) -> None:
    code = code_of(APP)
    number = tracer.code(Thread(0), code)
    assert not tracer.ran(code)
    tracer.left[number] -= 1
    assert tracer.ran(code)


@pytest.fixture
def frame() -> Iterator["faults.FrameType"]:
    """A frame of the app that is paused in line 2."""
    space: dict[str, faults.Any] = {}
    exec(compile("def view():\n    yield\n", APP, "exec"), space)
    paused = space["view"]()
    next(paused)
    yield paused.gi_frame
    paused.close()


def test_faults_are_charged_once_and_to_their_line(
    tracer: Tracer, frame: "faults.FrameType"
) -> None:
    thread = Thread(100)
    number = tracer.code(thread, frame.f_code)
    thread.last, thread.own = 100, 0
    tracer.charge(thread, frame, 2, 107)
    ((_, key, pages, collection, _),) = tracer.log.rows()
    assert not collection
    assert (tracer.stacks.named(key)[:3], pages) == ((APP, 2, "view"), 7)
    assert thread.last - 107 == thread.own
    assert tracer.left[number] == -2
    assert tracer.ran(frame.f_code)


def test_only_what_charging_keeps_is_the_tracers_own(
    monkeypatch: pytest.MonkeyPatch, tracer: Tracer, frame: "faults.FrameType"
) -> None:
    monkeypatch.setattr(faults, "_usage", lambda _who: SimpleNamespace(ru_minflt=500))
    thread = Thread(100)
    tracer.charge(thread, frame, 2, 107)  # a line that no table has yet
    assert (thread.last, thread.own) == (500, 393)
    tracer.charge(thread, frame, 2, 510)
    assert (thread.last, thread.own) == (510, 393)
    monkeypatch.setattr(faults, "_TOUCHED_ROWS", 2)
    tracer.charge(thread, frame, 2, 520)
    assert (thread.last, thread.own) == (500, 373)
    assert [pages for _, _, pages, _, _ in tracer.log.rows()] == [7, 10, 10]


def test_what_a_collection_has_charged_is_not_charged_back(
    tracer: Tracer, frame: "faults.FrameType"
) -> None:
    thread = Thread(100)
    tracer.charge(thread, frame, 2, 93)
    assert (list(tracer.log.rows()), thread.last, thread.own) == ([], 100, 0)


def test_a_librarys_code_that_faults_is_listened_to_for_longer(
    monkeypatch: pytest.MonkeyPatch, frame: "faults.FrameType"
) -> None:
    tracer = Tracer([])
    thread = Thread(100)
    number = tracer.code(thread, frame.f_code)
    tracer.left[number] = 1
    tracer.charge(thread, frame, 2, thread.last + 1)
    assert tracer.left[number] == faults._PATIENCE


def test_a_collections_faults_are_kept_apart(tracer: Tracer) -> None:
    thread = tracer.thread()
    tracer.attend()
    for _ in range(2):
        tracer.on_collection("start", {"generation": 1})
        assert thread.deaf
        tracer.on_collection("stop", {"generation": 1})
    collections = [collection for _, _, _, collection, _ in tracer.log.rows() if collection]
    assert ([it % CALLED for it in collections], thread.times, thread.deaf) == ([2, 2], 2, False)


@pytest.fixture
def far(tracer: Tracer) -> Iterator[socket.socket]:
    """The other end of the socket that the rows of a second `tracer` are told on."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        far.settimeout(60)
        tracer._watch = near.fileno()
        yield far


def test_each_row_is_told_and_waited_for_while_it_is_watched(
    tracer: Tracer, frame: "faults.FrameType", far: socket.socket
) -> None:
    thread = Thread(100)
    tracer.charge(thread, frame, 2, 107)
    tracer.be_watched(True)
    for _ in range(3):
        far.send(b"\0")
    tracer.charge(thread, frame, 2, thread.last + 7)
    tracer.on_collection("start", {"generation": 1})
    tracer.on_collection("stop", {"generation": 1})
    tracer.be_watched(False)
    tracer.charge(thread, frame, 2, thread.last + 7)
    far.setblocking(False)
    told = []
    with contextlib.suppress(BlockingIOError):
        while True:
            told.append(tuple(memoryview(far.recv(24)).cast("q")))
    first, *watched, last = [
        (row, pages, threading.get_native_id()) for row, _, pages, _, _ in tracer.log.rows()
    ]
    assert told == watched
    assert first < told[0] < told[-1] < last


def test_each_of_two_threads_waits_for_its_own_look(
    tracer: Tracer, frame: "faults.FrameType", far: socket.socket
) -> None:
    looked_at = []
    missed = []

    def look() -> None:
        while told := far.recv(24):
            looked_at.append(memoryview(told).cast("q")[2])
            far.send(b"\0")

    def charge() -> None:
        thread = Thread(100)
        for told in range(1, 1001):
            tracer.charge(thread, frame, 2, thread.last + 7)
            if looked_at.count(thread.native) < told:
                missed.append(told)

    tracer.be_watched(True)
    looking = threading.Thread(target=look)
    charging = [threading.Thread(target=charge) for _ in range(2)]
    for started in (looking, *charging):
        started.start()
    for ended in charging:
        ended.join()
    far.shutdown(socket.SHUT_RD)
    looking.join()
    assert (len(looked_at), missed) == (2000, [])


def test_nothing_is_told_once_nobody_listens(
    tracer: Tracer, frame: "faults.FrameType", far: socket.socket
) -> None:
    thread = Thread(100)
    tracer.be_watched(True)
    far.close()
    for _ in range(2):
        tracer.charge(thread, frame, 2, thread.last + 7)
    assert tracer._watched == -1
    assert [pages for _, _, pages, _, _ in tracer.log.rows()] == [7, 7]


def test_a_fork_of_the_workers_own_tells_nothing(
    tracer: Tracer, frame: "faults.FrameType", far: socket.socket
) -> None:
    tracer.be_watched(True)
    pid = os.fork()
    if not pid:
        tracer.charge(Thread(100), frame, 2, 107)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    far.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.recv(8)


def test_a_collection_of_a_deaf_thread_is_not_counted(tracer: Tracer) -> None:
    tracer.rest()
    tracer.on_collection("start", {"generation": 2})
    tracer.on_collection("stop", {"generation": 2})
    assert (list(tracer.log.rows()), tracer.thread().deaf) == ([], True)


def resident(words: "memoryview[int]") -> list[int]:
    """The numbers of the pages of `words` that are in memory."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(words))
    pages = (ctypes.c_ubyte * (words.nbytes // mmap.PAGESIZE))()
    ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(words.nbytes), pages)
    return [number for number, is_there in enumerate(pages) if is_there]


def test_touching_maps_the_pages_of_the_first_words_and_no_more() -> None:
    words = faults.integers(4_096)
    assert resident(words) == []
    faults.touch(words, 1_025)
    assert resident(words) == [0, 1, 2]


def test_a_tracer_touches_what_the_code_known_later_will_need(tracer: Tracer) -> None:
    for number in range(600):
        tracer.code(Thread(0), code_of(APP, f"view_{number}"))
    tracer.touch()
    pages = (600 + faults._CODES_LATER) // 512 + 1
    assert resident(tracer.left) == resident(tracer.lines) == [*range(pages)]
    first_rows = faults._TOUCHED_ROWS * Log.WORDS // 512
    assert resident(tracer.log._words)[:first_rows] == [*range(first_rows)]
