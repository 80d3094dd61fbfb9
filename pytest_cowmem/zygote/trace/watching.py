"""Watch which line of the app makes containers grow. Runs in a leak round's worker.

What is new in a container belongs to the app's line that ran last, in whichever way it got there.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from pytest_cowmem.zygote.trace.stacks import StackTable

FileLine = tuple[str, int]


class Watch:
    """Watches what `sizes` give, by their keys. `roots` are the folders of the app's own code."""

    def __init__(self, sizes: "Mapping[Any, Callable[[], int]]", roots: "list[str]") -> None:
        self._keys = list(sizes)
        self._sizes = list(sizes.values())
        self._is_app = StackTable(roots).is_app
        self._filled = [Counter[FileLine]() for _ in sizes]
        self._last: list[int] = []
        self._running: FileLine | None = None
        self._before: Any = None

    def begin(self) -> None:
        """Watch this thread, between two requests."""
        if not self._sizes:
            return
        self._last = self._now()
        self._before = sys.gettrace()
        sys.settrace(self._on_call)

    def end(self) -> "dict[Any, FileLine]":
        """The line that made each grow most, by its key."""
        if self._sizes:
            sys.settrace(self._before)
            self._look()
        filled = zip(self._keys, self._filled, strict=True)
        return {key: max(lines, key=lines.__getitem__) for key, lines in filled if lines}

    def _now(self) -> "list[int]":
        return [size() for size in self._sizes]

    def _look(self) -> None:
        now = self._now()
        if now == self._last:
            return
        if self._running:
            for lines, size, last in zip(self._filled, now, self._last, strict=True):
                if size > last:
                    lines[self._running] += size - last
        self._last = now

    def _on_call(self, frame: FrameType, *_: Any) -> Any:
        if not self._is_app(frame.f_code.co_filename):
            return None
        self._look()
        self._running = _place(frame)
        return self._on_line

    def _on_line(self, frame: FrameType, event: str, _: Any) -> Any:
        self._look()
        self._running = _place(frame) if event == "line" else self._caller(frame)
        return self._on_line

    def _caller(self, frame: FrameType) -> "FileLine | None":
        """The app's line that a frame returns to."""
        back = frame.f_back
        while back is not None and not self._is_app(back.f_code.co_filename):
            back = back.f_back
        return _place(back) if back is not None else None


def _place(frame: FrameType) -> FileLine:
    return frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno
