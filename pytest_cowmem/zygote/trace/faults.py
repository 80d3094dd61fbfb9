"""Count the minor page faults of each thread, by source line and by collection.

Runs in a traced worker, and in its twin until that is hushed.
"""

import gc
import itertools
import mmap
import os
import resource
import sys
from _thread import RLock, _local, get_ident, get_native_id
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from pytest_cowmem.zygote.trace import notes, stacks

_getpid, _read, _write = os.getpid, os.read, os.write
_usage, _WHO = resource.getrusage, resource.RUSAGE_THREAD
_OLDEST = 2  # generation
# Added to a collection's number in the log where code asked for it.
CALLED = 8
# There the collector does not look at its counts again before it runs, always as generation 1.
_INCREMENTAL = (3, 14) <= sys.version_info < (3, 14, 5)
# What runs in a collection's callback or in the app's place, and is not to be listened to.
_OWN_FILES = frozenset(
    {
        stacks.StackTable.key.__code__.co_filename,
        notes.watch_enabling.__code__.co_filename,
        (lambda: None).__code__.co_filename,
    }
)
# Where threads begin.
_THREADING = f"{stacks.STDLIB}threading.py"
_BEGINNINGS = frozenset({"_bootstrap", "_bootstrap_inner", "run"})
_WORD = 8  # bytes
_MOST_CODES = 1 << 17
_CODES_LATER = 1 << 12  # code objects that may become known after the fork
_ROWS = 1 << 18
_TOUCHED_ROWS = 1 << 13
_PATIENCE = 64  # events without a fault, until a library's code object is left alone
_FREE = -1 << 60  # below the numbers of all code objects


def integers(count: int) -> "memoryview[int]":
    """`count` integers of 8 bytes, all zero, on pages of their own."""
    return memoryview(mmap.mmap(-1, count * _WORD, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)).cast("q")


def touch(words: "memoryview[int]", count: int) -> None:
    """Write to the pages of the first `count` words, and leave their values as they are."""
    for word in range(0, min(count, len(words)), mmap.PAGESIZE // _WORD):
        words[word] = words[word]


class Log:
    """Page faults charged. Each time they go into a row of integers: the key, the number of faults,
    and which collection it was: 0 for none, else its generation + 1, and CALLED besides.

    The log lies in memory of its own, mapped and touched beforehand. A dictionary that grows would
    take free places on the app's pages first, and these pages would not be charged to the app's
    lines. A full log adds up in its last row, under no line.
    """

    WORDS = 7

    def __init__(self) -> None:
        self._words = integers(_ROWS * self.WORDS)
        self._next = itertools.count()  # counting is atomic; threads share the log
        self._begun = 0
        self._marked = _ROWS

    def touch(self) -> None:
        """Write to the pages that a short log takes up."""
        touch(self._words, _TOUCHED_ROWS * self.WORDS)

    def add(self, key: stacks.Key, faults: int, collection: int = 0) -> int:
        """Charge `faults` to `key`; the row's number."""
        row = next(self._next)
        words, at = self._words, min(row, _ROWS - 1) * self.WORDS
        if row < _ROWS:
            words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 4] = key
            words[at + 5], words[at + 6] = faults, collection
        else:
            words[at] = words[at + 1] = words[at + 2] = words[at + 3] = words[at + 4] = 0
            words[at + 5], words[at + 6] = words[at + 5] + faults, 0
        return min(row, _ROWS - 1)

    def forget(self) -> None:
        """Leave out what was added so far. The row that is taken up here stays empty."""
        self._begun = next(self._next)

    def mark(self) -> None:
        """Keep what is added from now on apart. The row that is taken up here stays empty."""
        self._marked = next(self._next)

    def rows(self) -> "Iterator[tuple[int, stacks.Key, int, int, bool]]":
        """(row, key, faults, collection, whether it came after the mark), since `forget`."""
        for row in range(self._begun, min(next(self._next), _ROWS)):
            first = row * self.WORDS
            app, app_line, library, library_line, names, faults, collection = self._words[
                first : first + self.WORDS
            ]
            if faults or collection:
                key = app, app_line, library, library_line, names
                yield row, key, faults, collection, row >= self._marked


class Thread:
    """One thread's counts of faults, and how often it collected (`times`).

    `last` is the thread's count of faults up to which all are charged; `own` are the tracer's.
    `code` and `at` say where the thread is. `at` is a line or, below zero, ~(an instruction's
    offset in bytes). `index` is the tracer's of `code`, 0 where it was not looked up. Nothing is
    charged to a `deaf` thread; `collects` says that it is collecting, and `called` is CALLED where
    it was asked to. `ident` and `native` are its numbers in Python and in the kernel.
    """

    __slots__ = (
        "at",
        "called",
        "code",
        "collects",
        "deaf",
        "ident",
        "index",
        "last",
        "native",
        "own",
        "times",
    )

    def __init__(self, last: int) -> None:
        self.ident, self.native = get_ident(), get_native_id()
        self.last = last
        self.own = 0
        self.times = 0
        self.called = 0
        self.code: CodeType | None = None
        self.at = self.index = 0
        self.deaf = self.collects = False

    def forget(self, now: int) -> None:
        """Begin counting anew."""
        self.last, self.own = now, 0


class Tracer:
    """All threads of a traced worker. `attend` comes before anything is charged.

    `codes` has an index from 1 for each code object, by its number in `stacks`: that is its id(),
    unless it is brief. At this index `left` has the events until the code object is left alone, and
    `lines` the line where it last was. A count below zero in `left` never ends: it goes down from
    -1 at the first event, and at faults. Both lie apart from the heap, as the log does.

    The app's own code is listened to throughout. A library's is left alone once it has run for a
    while without a fault. What it causes later is charged to the same line of the app, but without
    the library's line beside it.
    """

    def __init__(self, roots: "list[str]", watch: int = -1) -> None:
        """`roots` are the folders of the app's own code, `watch` a socket to tell rows on."""
        self.stacks = stacks.StackTable(roots)
        self._watch, self._watched = watch, -1
        self._telling = RLock()  # a collection that begins meanwhile tells too
        self.log = Log()
        self.codes: dict[int, int] = {}
        self.left, self.lines = integers(_MOST_CODES), integers(_MOST_CODES)
        self.threads: list[Thread] = []
        self.local = _local()
        self._older_threads: frozenset[int] = frozenset()

    def attend(self) -> None:
        """Begin counting anew, in all threads."""
        self._older_threads = frozenset(int(name) for name in os.listdir("/proc/self/task"))
        for thread in self.threads:
            thread.forget(thread.last)
        self.log.forget()
        self.thread().deaf = False
        self.thread().native = get_native_id()  # a fork has another
        self.thread().forget(_usage(_WHO).ru_minflt)

    def be_watched(self, watched: bool) -> None:
        """Tell each row that is charged from now on, or tell none."""
        self._watched = os.getpid() if watched else -1

    def _tell(self, row: int, faults: int, thread: int) -> None:
        """Name the row that `faults` were charged to, and wait until the worker was looked at.

        One thread at a time: of two that wait, either could take the other's answer, and go on
        while the worker is looked at. A fork of the worker's own has nothing to tell.
        """
        if self._watched == _getpid():
            try:
                words = row, faults, thread
                told = b"".join([word.to_bytes(_WORD, sys.byteorder) for word in words])
                with self._telling:
                    _write(self._watch, told)
                    _read(self._watch, 1)
            except OSError:  # the pytest process looks no more
                self._watched = -1

    def touch(self) -> None:
        """Write to `left`, `lines` and the beginning of the log.

        A fork has those pages for itself from then on, and before it is ready.
        """
        touch(self.left, len(self.codes) + _CODES_LATER)
        touch(self.lines, len(self.codes) + _CODES_LATER)
        self.log.touch()

    def rest(self) -> None:
        """Charge nothing more to the calling thread."""
        self.thread().deaf = True

    def thread(self) -> Thread:
        """The calling thread's counts.

        A thread that began after the tracer is charged from its own beginning on.
        """
        try:
            thread: Thread = self.local.thread
        except AttributeError:
            older = get_native_id() in self._older_threads
            thread = self.local.thread = Thread(_usage(_WHO).ru_minflt if older else 0)
            self.threads.append(thread)
        return thread

    # A collection can come at any call made below. It charges what is new in the thread itself, and
    # counts up `times`.

    def code(self, thread: Thread, code: CodeType) -> int:
        """The index of a code object that is met for the first time, or at each event if it is
        brief. The cost is the tracer's own.

        Those that find no room share the last index.
        """
        times, before = thread.times, _usage(_WHO).ru_minflt
        number = self.stacks.number(code)
        index = self.codes.get(number, 0)
        if not index:
            index = self.codes[number] = min(len(self.codes) + 1, _MOST_CODES - 1)
            self.left[index] = self._events_left(code) if number > 0 else -1
            self.lines[index] = code.co_firstlineno
        cost = _usage(_WHO).ru_minflt - before
        if thread.times == times:
            thread.last += cost
            thread.own += cost
        return index

    def make_room(self) -> None:
        """Have the dict of code objects grow now: a worker that met one more could pay for that.

        It then has room for about as many again (Objects/dictobject.c, GROWTH_RATE).
        """
        size, taken = sys.getsizeof(self.codes), _FREE
        while sys.getsizeof(self.codes) == size:
            taken -= 1
            self.codes[taken] = 0
        for number in range(taken, _FREE):
            del self.codes[number]

    def _events_left(self, code: CodeType) -> int:
        """How many events a code object may have before it is left alone.

        Where a request enters an app never is: what a library caused before it returned would be
        charged to the line that passed the request on. Nor is where a thread begins: nothing else
        of a thread may be listened to. Nor is a brief one, which is looked up at each event anyway.
        """
        if self.stacks.is_app(code.co_filename) or self.stacks.is_entry(code):
            return -1
        if code.co_filename == _THREADING and code.co_name in _BEGINNINGS:
            return -1
        return 0 if code.co_filename in _OWN_FILES else _PATIENCE

    def ran(self, code: CodeType) -> bool:
        """Whether one of the app's code objects had an event: it is counted down from -1 then."""
        return self.left[self.codes[id(code)]] < -1

    def charge(self, thread: Thread, frame: "FrameType | None", line: int, now: int) -> None:
        """Charge the faults since the last event to `line` of `frame`.

        `now` is the thread's count of faults. What charging itself keeps is the tracer's own. What
        it takes for a moment is not: it dirties free places that the app's next objects take, and
        the app would have faulted there. Such faults are charged with the next event.
        Nothing is left to charge where a collection came after `now` was read: since Python 3.12
        one comes where a function is entered, and so just before this one runs.
        """
        times, new, size = thread.times, now - thread.last, self.stacks.size()
        if new <= 0:
            return
        thread.last = now
        row = self.log.add(self.stacks.key(frame, line), new)
        self._tell(row, new, thread.native)
        number = self.codes.get(id(frame.f_code), 0) if frame is not None else 0
        left = self.left[number]
        if left:
            self.left[number] = _PATIENCE if left > 0 else left - 1
        if row < _TOUCHED_ROWS and self.stacks.size() == size:
            return
        after = _usage(_WHO).ru_minflt
        if thread.times == times:
            thread.last = after
            thread.own += after - now

    def settle(self) -> None:
        """Charge the other threads with what they have faulted since their last events.

        A thread that waits may have none after it. It is charged where it stands.
        """
        here, frames = get_ident(), sys._current_frames()
        for thread in self.threads:
            frame = frames.get(thread.ident)
            if thread.ident == here or thread.deaf or frame is None:
                continue
            new = _faults_of(thread.native) - thread.last
            if new > 0:
                thread.last += new
                row = self.log.add(self.stacks.key(frame, frame.f_lineno or 0), new)
                self._tell(row, new, thread.native)

    def on_collection(self, phase: str, info: "dict[str, Any]") -> None:
        """For `gc.callbacks`: count a collection's faults apart, by the line it came at.

        What runs during a collection is charged to the collection.
        """
        thread = self.thread()
        now = _usage(_WHO).ru_minflt
        if phase == "start":
            if not thread.deaf:
                self.charge(thread, *_interrupted(), now)
                thread.called = CALLED if was_called(info) else 0
                thread.deaf = thread.collects = True
        elif thread.collects:
            collection = min(info.get("generation", _OLDEST), _OLDEST) + 1 + thread.called
            key = self.stacks.key(*_interrupted())
            new = now - thread.last
            self._tell(self.log.add(key, new, collection), new, thread.native)
            thread.last = _usage(_WHO).ru_minflt
            thread.own += thread.last - now
            thread.times += 1
            thread.deaf = thread.collects = False


def was_called(info: "dict[str, Any]") -> bool:
    """Whether code asked for the collection that begins, as gc.collect() does.

    One that is due begins with more objects counted than the threshold (Python/gc.c), and the
    counts are set back after the callbacks have run.
    """
    if _INCREMENTAL and info.get("generation") == 1:
        return False
    return not gc.isenabled() or gc.get_count()[0] <= gc.get_threshold()[0]


def _faults_of(native: int) -> int:
    """The minor page faults of a thread that may be gone (proc(5), stat, the tenth field)."""
    try:
        with open(f"/proc/self/task/{native}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[7])
    except OSError:
        return 0


def _interrupted() -> "tuple[FrameType | None, int]":
    """The frame that runs, and its line.

    The tracer's own frames are left out: their allocations can start a collection too.
    """
    frame: FrameType | None = sys._getframe(0)
    while frame is not None and frame.f_code.co_filename.startswith(stacks.ZYGOTE_SIDE):
        frame = frame.f_back
    return frame, (frame.f_lineno or 0) if frame is not None else 0
