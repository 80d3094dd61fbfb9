"""How a source file is shown: relative to the rootdir, a library's relative to where it is installed. Runs in the pytest process."""

import re
from pathlib import Path

_INSTALLED = re.compile(
    r".*/(?:site-packages|dist-packages|lib/python\d[\w.]*)/|.*/(?=pytest_cowmem/zygote/)"
)


def shown(path: str, rootdir: Path) -> str:
    """A file's path for people."""
    if installed := _INSTALLED.match(path):
        return path[installed.end() :]
    root = f"{rootdir}/"
    return path[len(root) :] if path.startswith(root) else path
