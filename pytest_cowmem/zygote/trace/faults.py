"""Keep the minor page faults of each thread, by source line and by collection. Runs in a traced worker."""

import gc
import itertools
import mmap
import os
import resource
import sys
from _thread import _local, get_native_id
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from pytest_cowmem.zygote.trace import stacks

_usage, _WHO = resource.getrusage, resource.RUSAGE_THREAD
_HERE = os.path.dirname(os.path.dirname(stacks.__file__))  # the zygote side of this plugin
_OLDEST = 2
_OWN = frozenset(
    {stacks.Folder.key.__code__.co_filename, (lambda: None).__code__.co_filename}
)  # what runs in a collection's callback
_WORD = 8  # bytes
_CODES, _CODES_LATER = (
    1 << 17,
    1 << 12,
)  # code objects at most, and those that may come after the fork
_ROWS = 1 << 18
_TOUCHED_ROWS = 1 << 13
_PATIENCE = (
    64  # events of a library's code object without a fault, until it is no longer listened to
)


def integers(count: int) -> "memoryview[int]":
    """So many integers of 8 bytes, zero, on pages of their own."""
    return memoryview(mmap.mmap(-1, count * _WORD, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)).cast("q")


def touch(words: "memoryview[int]", count: int) -> None:
    """Write to the pages of the first `count`, leaving all as it is."""
    for word in range(0, min(count, len(words)), mmap.PAGESIZE // _WORD):
        words[word] = words[word]


class Log:
    """Pages charged, one row of integers a time: the key and the pages.

    It lies in memory of its own, mapped and touched beforehand: dictionaries that grow would take the free places on the app's pages
    first, and these would not be charged to the app's lines. A log that is full adds up in its last row, under no line.
    """

    WORDS = 6

    def __init__(self) -> None:
        self._words = integers(_ROWS * self.WORDS)
        self._next = itertools.count()  # counting is atomic; threads share the log
        self._begun = 0
        self._marked = _ROWS

    def touch(self) -> None:
        """Write to the pages that a short log takes."""
        touch(self._words, _TOUCHED_ROWS * self.WORDS)

    def add(self, key: stacks.Key, pages: int) -> None:
        """Note `pages` for `key`."""
        row = next(self._next)
        words, at = self._words, min(row, _ROWS - 1) * self.WORDS
        if row < _ROWS:
            words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 4] = key
            words[at + 5] = pages
        else:
            words[at] = words[at + 1] = words[at + 2] = words[at + 3] = words[at + 4] = 0
            words[at + 5] += pages

    def forget(self) -> None:
        """Leave out what was noted so far."""
        self._begun = next(self._next) + 1

    def mark(self) -> None:
        """Let what is noted from now on be told apart."""
        self._marked = next(self._next) + 1

    def rows(self) -> "Iterator[tuple[stacks.Key, int, bool]]":
        """(key, pages, whether it came after the mark) since the log was last made to forget."""
        for row in range(self._begun, min(next(self._next), _ROWS)):
            first = row * self.WORDS
            app, app_line, library, library_line, names, pages = self._words[
                first : first + self.WORDS
            ]
            if pages:
                yield (app, app_line, library, library_line, names), pages, row >= self._marked


class Thread:
    """One thread's counts, in pages, and the times it collected.

    `code` and `at` say where it is: `at` is a line, or minus one minus an instruction's offset in bytes.
    """

    __slots__ = ("at", "code", "collections", "collects", "deaf", "last", "own", "times")

    def __init__(self, last: int) -> None:
        self.last = last
        self.own = 0
        self.times = 0
        self.code: CodeType | None = None
        self.at = 0
        self.deaf = self.collects = False
        self.collections: dict[tuple[int, stacks.Key], list[int]] = {}

    def forget(self, now: int) -> None:
        """Begin counting anew."""
        self.last, self.own = now, 0
        self.collections.clear()


class Tracer:
    """All threads of a traced worker. `attend` comes before anything is charged.

    `codes` numbers code objects by their id(), from 1; by these numbers `left` has the events until a code object is left alone (never,
    below zero), and `lines` the line it was last seen at. Both lie apart from the heap, as the log does.

    The app's own code is listened to throughout. A library's is left alone once it has run for a while without a fault: what it causes
    later is charged to the same line of the app, only without the library's line beside it.
    """

    def __init__(self, roots: "list[str]") -> None:
        self.folder = stacks.Folder(roots)
        self.log = Log()
        self.codes: dict[int, int] = {}
        self.left, self.lines = integers(_CODES), integers(_CODES)
        self.threads: list[Thread] = []
        self.local = _local()
        self._older: frozenset[int] = frozenset()
        self._delay = 0

    def attend(self) -> None:
        """Begin counting anew, in the threads there are."""
        self._older = frozenset(int(name) for name in os.listdir("/proc/self/task"))
        for thread in self.threads:
            thread.forget(thread.last)
        self.log.forget()
        self.thread().deaf = False
        self.thread().forget(_usage(_WHO).ru_minflt)

    def delay(self, objects: int) -> None:
        """Let the next collection come `objects` allocations later than it would, for as many that are the tracer's own."""
        first, *others = gc.get_threshold()
        if first and objects > 0:
            self._delay = objects
            gc.set_threshold(first + objects, *others)

    def _no_more_delay(self) -> None:
        first, *others = gc.get_threshold()
        if first > self._delay:
            gc.set_threshold(first - self._delay, *others)
        self._delay = 0

    def touch(self) -> None:
        """Write to what is known of each code object and to the beginning of the log, so that a fork has those pages before it is ready."""
        touch(self.left, len(self.codes) + _CODES_LATER)
        touch(self.lines, len(self.codes) + _CODES_LATER)
        self.log.touch()

    def rest(self) -> None:
        """Count no more in the calling thread."""
        self.thread().deaf = True

    def thread(self) -> Thread:
        """The calling thread's counts; a thread that began after the tracer is charged from its beginning on."""
        try:
            thread: Thread = self.local.thread
        except AttributeError:
            older = get_native_id() in self._older
            thread = self.local.thread = Thread(_usage(_WHO).ru_minflt if older else 0)
            self.threads.append(thread)
        return thread

    # A collection can come at any call made below, and settles the thread's accounts when it does: `times` tells.

    def code(self, thread: Thread, code: CodeType) -> int:
        """Get to know a code object, its number; what that costs is the tracer's own."""
        times, before = thread.times, _usage(_WHO).ru_minflt
        left = (
            -1
            if self.folder.is_app(code.co_filename)
            else 0
            if code.co_filename in _OWN
            else _PATIENCE
        )
        number = min(len(self.codes) + 1, _CODES - 1)
        self.codes[self.folder.know(code)] = number
        self.left[number], self.lines[number] = left, code.co_firstlineno
        cost = _usage(_WHO).ru_minflt - before
        if thread.times == times:
            thread.last += cost
            thread.own += cost
        return number

    def ran(self, code: CodeType) -> bool:
        """Whether one of the app's code objects was listened to since it became known: its events are counted down from minus one."""
        return self.left[self.codes[id(code)]] < -1

    def charge(self, thread: Thread, frame: "FrameType | None", line: int, now: int) -> None:
        """Charge what is new since the last event to `line` of `frame`; what charging itself costs is the tracer's own."""
        times, new = thread.times, now - thread.last
        if new <= 0:
            return
        thread.last = now
        self.log.add(self.folder.key(frame, line), new)
        number = self.codes.get(id(frame.f_code), 0) if frame is not None else 0
        left = self.left[number]
        if left:
            self.left[number] = _PATIENCE if left > 0 else left - 1
        after = _usage(_WHO).ru_minflt
        if thread.times == times:
            thread.last = after
            thread.own += after - now

    def on_collection(self, phase: str, info: "dict[str, Any]") -> None:
        """For `gc.callbacks`: keep a collection's faults apart, beside the line it came at. Events during a collection are its own."""
        thread = self.thread()
        now = _usage(_WHO).ru_minflt
        if phase == "start":
            if not thread.deaf:
                if now > thread.last:
                    self.charge(thread, *_interrupted(), now)
                thread.deaf = thread.collects = True
        elif thread.collects:
            if self._delay:
                self._no_more_delay()
            key = min(info.get("generation", _OLDEST), _OLDEST), self.folder.key(*_interrupted())
            count = thread.collections.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += now - thread.last
            thread.last = _usage(_WHO).ru_minflt
            thread.own += thread.last - now
            thread.times += 1
            thread.deaf = thread.collects = False


def _interrupted() -> "tuple[FrameType | None, int]":
    """The frame that runs and its line, leaving out the tracer's own: its allocations can start a collection too."""
    frame: FrameType | None = sys._getframe(0)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame, frame.f_lineno or 0 if frame is not None else 0
