"""Write a run into a file, and read it back. Runs in the process that asks."""

import os
from pathlib import Path

from pytest_cowmem.files.replace import replace_text
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.document_text import loads
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.report.files import dumps_for


def load(path: Path) -> Document:
    """The run in a JSON report. UsageError where it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a FIFO would never end
            raise OSError("it is not a regular file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the report {path} cannot be read ({error}): give a file of --cowmem-report"
        ) from None
    return loads(text, str(path))


def check_writable(path: Path) -> None:
    """UsageError where `write` would fail: better said before a run than after it."""
    dumps_for(path.name)
    if path.exists() and not path.is_file():
        raise _refused(path, "it is not a regular file")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise _refused(path, "its folder does not exist")
    if not os.access(folder, os.W_OK):
        raise _refused(path, "its folder is not writable")


def write(document: Document, path: Path) -> None:
    """Write a run into a file. UsageError where that cannot be."""
    text = dumps_for(path.name)(document)
    try:
        replace_text(path, text)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


def _refused(path: Path, reason: str) -> UsageError:
    return UsageError(f"the report {path} cannot be written ({reason}): give another place")
