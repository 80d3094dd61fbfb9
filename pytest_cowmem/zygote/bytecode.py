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
_FOLDER, _REFUSED = "pycache_prefix", "cowmem_dont_write_bytecode"  # options of -X
_VARIABLE = "PYTHONDONTWRITEBYTECODE"


def compiled_since(begun: int) -> bool:
    """Whether a loaded module's byte code was written after `begun`, in nanoseconds since 1970."""
    return any(_written(cached) > begun - _CLOCK_TICK for cached in _cached())


def is_lacking() -> bool:
    """Whether a loaded module has source and no byte code, so that each start compiles it."""
    return any(not _written(cached) for cached in _cached())


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
    return _REFUSED in sys._xoptions


def restore_refusal() -> None:
    """Give the app back the variable that `start_elsewhere` took from this interpreter."""
    if refused := sys._xoptions.get(_REFUSED):
        os.environ[_VARIABLE] = str(refused)


def start_over(module: str, stage: str) -> NoReturn:
    """Execute `module` again, with byte code where it is now."""
    options = [f"{_FOLDER}={sys.pycache_prefix}", _refusal()] if is_elsewhere() else []
    _execute(options, module, stage)


def start_elsewhere(folder: str, module: str, stage: str) -> NoReturn:
    """Execute `module` again, with its byte code and the app's in `folder`."""
    _execute([f"{_FOLDER}={folder}", _refusal()], module, stage)


def _refusal() -> str:
    return f"{_REFUSED}={os.environ.pop(_VARIABLE, '')}"


def _execute(options: "list[str]", module: str, stage: str) -> NoReturn:
    words = [word for option in options for word in ("-X", option)]
    os.execv(sys.executable, [sys.executable, *words, "-m", module, stage])
