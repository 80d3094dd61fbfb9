"""Functions that the worker calls, once or over and over. Runs in the pytest process."""

import pickle
import sys
from collections.abc import Callable
from types import ModuleType, NoneType
from typing import Any

from pytest_cowmem.host import answers
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CallRaised, UsageError, wrong_and_right
from pytest_cowmem.zygote import messages

Function = str | Callable[..., Any]


def target_of(function: Function) -> str:
    """`module:function` of what is to be called. UsageError where a worker cannot find it."""
    target = function if isinstance(function, str) else _importable(function)
    if ":" not in target:
        raise wrong_and_right(
            "call takes module:function", f"call({target!r})", 'call("shop.cache:fill")'
        )
    return target


def _importable(function: Callable[..., Any]) -> str:
    """`module:name` of a function, if that is where to find it."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    bound = not isinstance(getattr(function, "__self__", None), (type, ModuleType, NoneType))
    if not isinstance(module, str) or "<" in name or bound or not _is_there(module, name):
        raise UsageError(
            f"call cannot send {function!r} to the worker: "
            "give it a function defined at the top of a module that the app's path reaches"
        )
    return f"{module}:{name}"


def _is_there(module: str, name: str) -> bool:
    """Whether a module has such a name, as far as it is loaded here; a proxy's has none."""
    found: Any = sys.modules.get(module)
    for part in name.split(".") if found else ():
        found = getattr(found, part, None)
        if found is None:
            return False
    return True


def refuse_unknown(target: str, own_module: str, current: Round) -> None:
    """UsageError where a function is of the test's own module, and the worker has not got that."""
    module = target.partition(":")[0]
    if module == own_module and module not in current.master.facts.modules:
        raise UsageError(
            f"{target} is of the test's own module, which workers have where the test names the "
            "function beside its call: do so, or put it into a module that the app's path reaches"
        )


def pickled(target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """The arguments of a call. UsageError for what pickle cannot hold."""
    try:
        return pickle.dumps((args, kwargs))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"the arguments of {target} cannot be sent to the worker ({error}): "
            "give it what pickle can hold"
        ) from None


def call(current: Round, target: str, arguments: bytes, times: int, tell_every: float) -> Any:
    """What the last of `times` calls returned. CallRaised, with its traceback, where one raises.

    `times` is more than one in a burst, which is cut where the worker is to be read. It tells that
    it goes on after so many seconds.
    """
    made, result = 0, b""
    while made < times:
        current.begin(f"calling {target}" + (f", {times} times" if times > 1 else ""))
        size = current.chunk(times - made) if times > 1 else 1
        current.send((messages.CALL, target, arguments, size, tell_every))
        answer = called(current)
        current.served(size)
        if isinstance(answer, answers.Raised):
            at = f" at call {made + answer.at}" if times > 1 else ""
            raise CallRaised(f"{target} raised {answer.line}{at}\n\n{answer.traceback}")
        made, result = made + size, answer
    return _unpickled(target, result)


def called(current: Round) -> bytes | answers.Raised:
    """What the calls that a worker was asked for have come to, the result pickled."""
    while not isinstance(answer := current.receive(), (answers.Returned, answers.Raised)):
        assert isinstance(answer, answers.Going)
    if isinstance(answer, answers.Raised):
        return answer
    result = current.receive()
    assert isinstance(result, bytes)
    return result


def _unpickled(target: str, result: bytes) -> Any:
    try:
        return pickle.loads(result)
    except Exception as error:
        raise UsageError(
            f"what {target} returned cannot be read in the test ({error}): "
            "return plain types, or add the app's folder to pythonpath"
        ) from None
