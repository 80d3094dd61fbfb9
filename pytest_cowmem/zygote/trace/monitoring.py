"""Trace every line, call and return by `sys.monitoring`, on Python 3.12 and later.

Runs in a traced worker. Each event reads the thread's count of minor faults, as in `settrace`.
Those since the event before belong to the line that ran in between. A stack is looked at only where
there are any. The three handlers repeat each other on purpose: a call in between costs time at
every line that the app runs.
"""

import resource
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from pytest_cowmem.zygote.trace.faults import Thread, Tracer

_usage, _WHO = resource.getrusage, resource.RUSAGE_THREAD
_TOOL_IDS = (3, 4, 0, 1, 2, 5)  # those without a customary owner first


def line_at(code: CodeType, at: int) -> int:
    """The line of `at`, which is a line or, below zero, ~(an instruction's offset in bytes)."""
    if at >= 0:
        return at
    for start, end, line in code.co_lines():
        if start <= ~at < end and line is not None:
            return line
    return code.co_firstlineno


class Monitoring:
    """Events of `sys.monitoring`."""

    def __init__(self) -> None:
        """Switch events on, without handlers yet.

        Python rewrites each code object when it next runs from then on.
        """
        self._api: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._tool = next(number for number in _TOOL_IDS if self._api.get_tool(number) is None)
        self._api.use_tool_id(self._tool, "pytest-cowmem")
        events = self._api.events
        self._entries = events.PY_START, events.PY_RESUME, events.PY_THROW
        self._exits = events.PY_RETURN, events.PY_YIELD, events.PY_UNWIND
        self._events = events.LINE | sum(self._entries) | sum(self._exits)
        self._api.set_events(self._tool, self._events)

    def rewrite(self, code: CodeType) -> None:
        """Have one code object rewritten now rather than when it runs."""
        self._api.set_local_events(
            self._tool,
            code,
            self._events & ~self._api.events.PY_UNWIND & ~self._api.events.PY_THROW,
        )

    def start(self, tracer: Tracer) -> None:
        """Hand `tracer` all events from now on."""
        events, disable = self._api.events, self._api.DISABLE
        self._tell({events.LINE: _line_handler(tracer, disable)})
        self._tell(dict.fromkeys(self._entries, _entry_handler(tracer, disable)))
        self._tell(dict.fromkeys(self._exits, _exit_handler(tracer, disable)))
        # Python refuses to disable these two for one code object.
        self._tell({events.PY_THROW: _entry_handler(tracer, None)})
        self._tell({events.PY_UNWIND: _exit_handler(tracer, None)})

    def listen(self) -> None:
        """Nothing in a worker stops events."""

    def stop(self) -> None:
        """Take the handlers off. Events stay on: to switch them off rewrites all code again."""
        self._tell(dict.fromkeys((self._api.events.LINE, *self._entries, *self._exits)))

    def _tell(self, handlers: "dict[int, Any]") -> None:
        for event, handler in handlers.items():
            self._api.register_callback(self._tool, event, handler)


def _line_handler(tracer: Tracer, disable: object) -> Callable[[CodeType, int], object]:
    local, new_thread, frame_at, usage, who = (
        tracer.local,
        tracer.thread,
        sys._getframe,
        _usage,
        _WHO,
    )
    codes, left, lines = tracer.codes, tracer.left, tracer.lines

    def on_line(code: CodeType, line: int) -> object:
        try:
            thread: Thread = local.thread
        except AttributeError:
            thread = new_thread()
        if thread.code is not code or not (number := thread.index):
            number = codes.get(id(code)) or tracer.code(thread, code)
        events = left[number]
        if not events:
            return disable
        if thread.deaf:
            return None
        now = usage(who).ru_minflt
        if now > thread.last:
            tracer.charge(
                thread,
                frame_at(1),
                line_at(code, thread.at) if thread.code is code else lines[number],
                now,
            )
        elif events >= -1:
            left[number] = events - 1
        thread.code = code
        thread.index = number
        thread.at = lines[number] = line
        return None

    return on_line


def _entry_handler(tracer: Tracer, disable: object) -> Callable[..., object]:
    local, new_thread, frame_at, usage, who = (
        tracer.local,
        tracer.thread,
        sys._getframe,
        _usage,
        _WHO,
    )
    codes, left = tracer.codes, tracer.left

    def on_entry(code: CodeType, offset: int, *_: Any) -> object:
        try:
            thread: Thread = local.thread
        except AttributeError:
            thread = new_thread()
        number = codes.get(id(code)) or tracer.code(thread, code)
        events = left[number]
        if not events:
            return disable
        if thread.deaf:
            return None
        now = usage(who).ru_minflt
        if now > thread.last:
            here = frame_at(1)
            caller = here.f_back or here
            tracer.charge(thread, caller, caller.f_lineno or 0, now)
        elif events >= -1:
            left[number] = events - 1
        thread.code = code
        thread.index = number
        thread.at = ~offset
        return None

    return on_entry


def _exit_handler(tracer: Tracer, disable: object) -> Callable[..., object]:
    local, new_thread, frame_at, usage, who = (
        tracer.local,
        tracer.thread,
        sys._getframe,
        _usage,
        _WHO,
    )
    codes, left = tracer.codes, tracer.left

    def on_exit(code: CodeType, *_: Any) -> object:
        try:
            thread: Thread = local.thread
        except AttributeError:
            thread = new_thread()
        if thread.code is not code or not (number := thread.index):
            number = codes.get(id(code)) or tracer.code(thread, code)
        events = left[number]
        if not events:
            return disable
        if thread.deaf:
            return None
        now = usage(who).ru_minflt
        if now > thread.last:
            here = frame_at(1)
            tracer.charge(thread, here, here.f_lineno or 0, now)
        elif events >= -1:
            left[number] = events - 1
        thread.index = 0
        try:
            caller = frame_at(2)
        except ValueError:  # a thread's first function
            thread.code = None
        else:
            thread.code = caller.f_code
            thread.at = ~caller.f_lasti
        return None

    return on_exit
