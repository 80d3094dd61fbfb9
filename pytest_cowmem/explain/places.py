"""Source files as they are shown, and their modules. Runs in the pytest process; no I/O."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pytest_cowmem import zygote
from pytest_cowmem.explain.rows import Place
from pytest_cowmem.model.explanation import NOWHERE

ZYGOTE_SIDE = str(Path(zygote.__file__).parent) + os.sep
_INSTALLED = re.compile(
    r".*/(?:site-packages|dist-packages|lib/python\d[\w.]*)/|.*/(?=pytest_cowmem/zygote/)"
)


def shown(path: str, rootdir: Path) -> str:
    """A file's path relative to the rootdir, and a library's relative to where it is installed."""
    if installed := _INSTALLED.match(path):
        return path[installed.end() :]
    return path.removeprefix(f"{rootdir}/")


def is_plugins(place: Place) -> bool:
    """Whether this plugin's own code ran, and none of the app's."""
    return not place.path and (place.library or "").startswith(ZYGOTE_SIDE)


def module_of(place: Place, files: Mapping[str, str], rootdir: Path) -> str:
    """The module of the app's line, or else the first name of the library that ran.

    `files` maps files to modules; a file that it lacks stands for itself.
    """
    if place.path:
        return files.get(place.path, shown(place.path, rootdir))
    if not place.library:
        return NOWHERE
    module = files.get(place.library, shown(place.library, rootdir))
    # The file of a module that is part of the interpreter is "<frozen importlib._bootstrap>".
    return module.removeprefix("<frozen ").removesuffix(">").partition(".")[0]
