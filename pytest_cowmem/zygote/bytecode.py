"""Have the app run from byte code, as production does. Runs in the zygote.

A process that compiles its source at every start has another heap than one that loads byte code,
and its workers have other private pages: some megabytes of them.
"""

import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import NoReturn

_CLOCK_TICK = 20_000_000  # nanoseconds by which a file's time can lag behind the clock
_ELSEWHERE = "cowmem_bytecode_elsewhere"  # an option of -X


def since(begun: int) -> "tuple[bool, bool]":
    """Of the loaded modules: whether byte code was written after `begun`, and whether some lack it.

    `begun` is in nanoseconds since 1970. A module with source and no byte code is compiled at each
    start.
    """
    written = [_written(cached) for cached in _cached()]
    return any(time > begun - _CLOCK_TICK for time in written), not all(written)


def _cached() -> Iterator[str]:
    """Where the byte code of each loaded module is, or would be."""
    for module in list(sys.modules.values()):
        spec = vars(module).get("__spec__") if type(module) is ModuleType else None
        if spec and spec.cached:
            yield spec.cached


def _written(path: str) -> int:
    """When a file was written, in nanoseconds since 1970; 0 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def is_elsewhere() -> bool:
    """Whether this process keeps byte code in a folder of the plugin's."""
    return _ELSEWHERE in sys._xoptions


def start_over(module: str, stage: str) -> NoReturn:
    """Execute `module` again, with byte code where it is now."""
    if is_elsewhere():
        start_elsewhere(str(sys.pycache_prefix), module, stage)
    _execute([], module, stage)


def start_elsewhere(folder: str, module: str, stage: str) -> NoReturn:
    """Execute `module` again, with its byte code and the app's in `folder`.

    The interpreter must not see that it may write none. The app gets that variable later, with all
    others.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _execute(["-X", f"pycache_prefix={folder}", "-X", _ELSEWHERE], module, stage)


def _execute(options: "list[str]", module: str, stage: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *options, "-P", "-m", module, stage])
