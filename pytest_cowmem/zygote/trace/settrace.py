"""Trace every line, call and return by `sys.settrace`, on Python 3.11.

Runs in a traced worker. Python stops these events in a thread whose stack is full. They go on at
the thread's next collection or request. The app cannot stop them: its own calls have no effect.
"""

import _thread
import resource
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from pytest_cowmem.zygote.trace.faults import Thread, Tracer
from pytest_cowmem.zygote.trace.monitoring import line_at

_usage, _WHO = resource.getrusage, resource.RUSAGE_THREAD
_settrace, _settrace_later, _start_thread = (
    sys.settrace,
    threading.settrace,
    _thread.start_new_thread,
)

TraceFunction = Callable[[FrameType, str, Any], Any]


class Settrace:
    """Events of `sys.settrace`."""

    _tracer: Tracer
    _beginning: TraceFunction

    def rewrite(self, code: Any) -> None:
        """Python rewrites no code for these events."""

    def start(self, tracer: Tracer) -> None:
        """Hand `tracer` all events from now on, in this thread and in those that start later."""
        self._tracer = tracer
        self._beginning = self._begin  # each look at a method makes a new object
        _settrace_later(self._beginning)
        _settrace(_trace_function(tracer, tracer.thread()))
        sys.settrace = self._only_begin
        threading.settrace = self._only_begin  # type: ignore[assignment]
        _thread.start_new_thread = self._start_thread

    def listen(self) -> None:
        """Go on in the calling thread where events stopped; what it did since has no line."""
        if sys.gettrace() is None:
            thread = self._tracer.thread()
            thread.last = _usage(_WHO).ru_minflt
            _settrace(_trace_function(self._tracer, thread))

    def stop(self) -> None:
        """End all events."""
        sys.settrace, threading.settrace, _thread.start_new_thread = (
            _settrace,
            _settrace_later,
            _start_thread,
        )
        _settrace_later(None)  # type: ignore[arg-type,unused-ignore]
        _settrace(None)

    def _begin(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The trace function of a new thread until its first event."""
        trace = _trace_function(self._tracer, self._tracer.thread())
        _settrace(trace)
        return trace(frame, event, arg)

    def _only_begin(self, function: Any) -> None:
        """Stand in for `settrace`, with an effect only where `threading` begins a thread."""
        if function is self._beginning:
            _settrace(function)

    def _start_thread(self, function: Any, *arguments: Any) -> int:
        """Stand in for `_thread.start_new_thread`."""
        return _start_thread(self._run, (function, *arguments))

    def _run(
        self, function: Any, args: "tuple[Any, ...]", kwargs: "dict[str, Any] | None" = None
    ) -> None:
        _settrace(self._begin)
        function(*args, **kwargs or {})


def _trace_function(tracer: Tracer, thread: Thread) -> TraceFunction:
    """A thread's own trace function, so that no event has to look up its thread."""
    codes, left, usage, who = tracer.codes, tracer.left, _usage, _WHO
    within = _function_within(tracer, thread)

    def on_entry(frame: FrameType, _event: str, _arg: Any) -> "TraceFunction | None":
        code = frame.f_code
        number = codes.get(id(code)) or tracer.code(thread, code)
        events = left[number]
        if not events:
            return None
        if not thread.deaf:
            now = usage(who).ru_minflt
            if now > thread.last:
                caller = frame.f_back or frame
                tracer.charge(thread, caller, caller.f_lineno or 0, now)
            elif events >= -1:
                left[number] = events - 1
            thread.code = code
            thread.index = number
            thread.at = code.co_firstlineno
        return within

    return on_entry


def _function_within(tracer: Tracer, thread: Thread) -> TraceFunction:
    """What follows the lines of a function once it was entered."""
    codes, left, lines, usage, who = tracer.codes, tracer.left, tracer.lines, _usage, _WHO

    def within(frame: FrameType, event: str, _arg: Any) -> "TraceFunction | None":
        code = frame.f_code
        if thread.code is not code or not (number := thread.index):
            number = codes.get(id(code)) or tracer.code(thread, code)
        events = left[number]
        if not events:
            frame.f_trace = None
            return None
        if thread.deaf:
            return within
        now = usage(who).ru_minflt
        if now > thread.last:
            if event != "line":
                before = frame.f_lineno or 0
            elif thread.code is code:
                before = line_at(code, thread.at)
            else:
                before = lines[number]
            tracer.charge(thread, frame, before, now)
        elif events >= -1:
            left[number] = events - 1
        if event == "line":
            thread.code = code
            thread.index = number
            thread.at = lines[number] = frame.f_lineno
        elif event == "return":
            caller = frame.f_back
            thread.code = caller and caller.f_code
            thread.index = 0
            thread.at = ~caller.f_lasti if caller else 0
        return within

    return within
