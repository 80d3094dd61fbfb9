"""Watch which line of the app makes containers grow. Runs in a leak round's worker.

What is new in a container belongs to the app's line that ran last in the thread that notices it, in
whichever way it got there.
"""

import sys
import threading
from _thread import get_ident
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from pytest_cowmem.zygote.trace.stacks import StackTable

FileLine = tuple[str, int]


class LineWatch:
    """Watches what `sizes` give, by their keys. `roots` are the folders of the app's own code."""

    def __init__(self, sizes: "Mapping[Any, Callable[[], int]]", roots: "list[str]") -> None:
        self._keys = list(sizes)
        self._sizes = list(sizes.values())
        self._is_app = StackTable(roots).is_app
        self._filled = [Counter[FileLine]() for _ in sizes]
        self._last: list[int] = []
        self._running: dict[int, FileLine | None] = {}  # by thread

    def begin(self) -> None:
        """Watch, from between two requests on; until 3.11, threads that run already are not."""
        if not self._sizes:
            return
        self._last = self._now()
        _set_trace(self._on_call)

    def end(self) -> "dict[Any, FileLine]":
        """The line that made each grow most, by its key."""
        if self._sizes:
            _set_trace(None)
            self._look()
        filled = zip(self._keys, self._filled, strict=True)
        return {key: max(lines, key=lines.__getitem__) for key, lines in filled if lines}

    def _now(self) -> "list[int]":
        return [size() for size in self._sizes]

    def _look(self) -> None:
        now = self._now()
        if now == self._last:
            return
        if running := self._running.get(get_ident()):
            for lines, size, last in zip(self._filled, now, self._last, strict=True):
                if size > last:
                    lines[running] += size - last
        self._last = now

    def _on_call(self, frame: FrameType, *_: Any) -> Any:
        if not self._is_app(frame.f_code.co_filename):
            return None
        self._look()
        self._running[get_ident()] = _place(frame)
        return self._on_line

    def _on_line(self, frame: FrameType, event: str, _: Any) -> Any:
        self._look()
        place = _place(frame) if event == "line" else self._caller(frame)
        self._running[get_ident()] = place
        return self._on_line

    def _caller(self, frame: FrameType) -> "FileLine | None":
        """The app's line that a frame returns to."""
        back = frame.f_back
        while back is not None and not self._is_app(back.f_code.co_filename):
            back = back.f_back
        return _place(back) if back is not None else None


def _set_trace(function: Any) -> None:
    if sys.version_info >= (3, 12):
        threading.settrace_all_threads(function)
    else:
        threading.settrace(function)
        sys.settrace(function)


def _place(frame: FrameType) -> FileLine:
    return frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno
