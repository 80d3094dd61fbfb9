"""The worker's event loop, made when it is first needed. Runs in the worker.

Between messages the loop stands still, so that no timer and no other task moves what is read then.
"""

import sys
import time
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any

_PATIENCE = 1.0  # seconds for which the tasks of requests are waited for

_loop: Any = None  # asyncio is loaded where it is needed only
_keeper: Any = None
_known: Any = None  # tasks that nobody waits for
_left: "list[str]" = []


def run(coroutine: "Coroutine[Any, Any, Any]") -> Any:
    """What a coroutine returns, or raises, in a task of its own."""
    if _loop is None:
        _make()
    task = _loop.create_task(coroutine)
    task.add_done_callback(_stop)
    _loop.run_forever()
    return task.result()


async def awaited(awaitable: Any) -> Any:
    """What an awaitable returns, as a coroutine."""
    return await awaitable


@coroutine
def in_own_context(inner: "Coroutine[Any, Any, None]") -> "Generator[Any, Any, None]":
    """Await a coroutine in this task, with context variables of its own."""
    context = copy_context()
    step, value = inner.send, None
    while True:
        try:
            waits_for = context.run(step, value)
        except StopIteration:
            return
        try:
            step, value = inner.send, (yield waits_for)
        except BaseException as error:
            step, value = inner.throw, error


def _make() -> None:
    global _loop, _keeper, _known
    import asyncio
    import weakref

    _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    _keeper = _loop.create_task(awaited(_loop.create_future()))
    # anyio ends its threads with the task that asyncio.run() runs, which it knows by this callback
    # (find_root_task in anyio/_backends/_asyncio.py). A server's lives as long as its worker.
    known_by = asyncio.base_events._run_until_complete_cb  # type: ignore[attr-defined]
    _keeper.add_done_callback(known_by)
    _known = weakref.WeakSet([_keeper])


def _stop(_task: Any) -> None:
    _loop.stop()


def know_all() -> None:
    """Take the tasks that there are now for the worker's own, which nobody waits for."""
    _known.update(sys.modules["asyncio"].all_tasks(_loop))


async def settle() -> None:
    """Wait for the tasks that requests have started, and for theirs.

    One that goes on for long may go on for ever. It is the worker's own from then on.
    """
    asyncio = sys.modules["asyncio"]
    give_up = time.monotonic() + _PATIENCE
    while begun := asyncio.all_tasks() - {asyncio.current_task(), *_known}:
        left = max(give_up - time.monotonic(), 0)
        late = (await asyncio.wait(begun, timeout=left))[1]
        if late and not left:
            _left.extend(task.get_coro().__qualname__ for task in late)
            _known.update(late)


def left() -> "list[str]":
    """The functions whose tasks requests have started, and that went on for long."""
    return _left


def close() -> None:
    """End the loop where there is one, so that a fork makes one of its own."""
    global _loop, _keeper, _known
    if _loop is None:
        return
    asyncio = sys.modules["asyncio"]
    _keeper.cancel()
    _loop.run_forever()  # it stops with the keeper
    _loop.close()
    asyncio.set_event_loop(None)
    _loop = _keeper = _known = None
