"""A run as a file, whose suffix says in which format. Runs in the process that writes it.

A new format is a module with a `dumps` of a document, and a line in FORMATS.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from pytest_cowmem.host.files import replace_text
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError

# The module of each suffix's `dumps`. It is imported when a report is asked for.
FORMATS = {
    ".json": "pytest_cowmem.model.document_text",
}


def check(path: Path) -> None:
    """UsageError where a report cannot be written there: better said before a run than after it."""
    _dumps_for(path)
    if path.exists() and not path.is_file():
        raise _refused(path, "it is not a regular file")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise _refused(path, "its folder does not exist")
    if not os.access(folder, os.W_OK):
        raise _refused(path, "its folder is not writable")


def write(document: Document, path: Path) -> None:
    """Write a run into a file. UsageError where that cannot be."""
    text = _dumps_for(path)(document)
    try:
        replace_text(path, text)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


def _dumps_for(path: Path) -> Callable[[Document], str]:
    """What makes the text; the longest suffix that has a format counts."""
    for at, letter in enumerate(path.name):
        if letter == "." and path.name[at:] in FORMATS:
            dumps: Callable[[Document], str] = import_module(FORMATS[path.name[at:]]).dumps
            return dumps
    raise UsageError(f"no report is made as {path.name}: end its name in {' or '.join(FORMATS)}")


def _refused(path: Path, reason: str) -> UsageError:
    return UsageError(f"the report {path} cannot be written ({reason}): give another place")
