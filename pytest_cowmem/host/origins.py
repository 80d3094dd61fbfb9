"""Where modules would be imported from. Runs in the process that asks, and in one of its own."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def origins(
    modules: Iterable[str], folder: Path, path: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Path]:
    """The file of each module, as a zygote would find it; those that it would not are left out.

    The zygote would run in `folder`, with `path` first on its `sys.path`. Packages that a module
    lies in are imported.
    """
    asked = json.dumps([[*modules], [*path]])
    command = [sys.executable, "-P", "-m", __name__, asked]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        told, _ = process.communicate()
    found: dict[str, str] = json.loads(told or "{}")
    return {module: Path(file).resolve() for module, file in found.items()}


def _origin(module: str) -> str | None:
    try:
        spec = importlib.util.find_spec(module)
    except BaseException:  # what a package does as it is imported
        return None
    if spec is None:
        return None
    return (
        spec.origin
        if spec.has_location
        else next(iter(spec.submodule_search_locations or ()), None)
    )


def _tell(asked: str) -> None:
    modules, path = json.loads(asked)
    sys.path[:0] = path
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        found = {module: file for module in modules if (file := _origin(module))}
    print(json.dumps(found))


if __name__ == "__main__":
    _tell(sys.argv[1])
