"""A run as a step of GitHub Actions: its summary, its annotations, and no command of others.

Runs in the pytest process.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_cowmem.model.document import Document
from pytest_cowmem.report import markdown
from pytest_cowmem.report.annotations import Where, annotations

MOST_BYTES = 2**20  # that GitHub takes as the summary of one step

Write = Callable[[str], None]  # a line, into pytest's output


def active(environ: Mapping[str, str]) -> bool:
    """Whether the run is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def harmless(write: Write, environ: Mapping[str, str]) -> Iterator[None]:
    """Write lines that have names of apps and tests in them: none is taken for a command."""
    if not active(environ):
        yield
        return
    token = secrets.token_hex(16)
    write(f"::stop-commands::{token}")
    try:
        yield
    finally:
        write(f"::{token}::")


def defused(text: str, environ: Mapping[str, str]) -> str:
    """A text that pytest prints among all others: no line of it is a command.

    A line that begins with "::" is one, and so is the older "##[" anywhere in a line.
    """
    if not active(environ):
        return text
    return re.sub(r"((?:^|\r)\s*:)(?=:)|(#)(?=#\[)", r"\1\2 ", text, flags=re.MULTILINE)


def defuse(report: pytest.TestReport, environ: Mapping[str, str]) -> None:
    """Have no line that pytest prints of a test be a command: its failure, and what it captured."""
    if not active(environ):
        return
    report.sections = [(name, defused(text, environ)) for name, text in report.sections]
    if isinstance(report.longrepr, str):
        report.longrepr = defused(report.longrepr, environ)
    for traceback, crash, _ in getattr(report.longrepr, "chain", ()):
        for entry in traceback.reprentries:
            entry.lines = [defused(line, environ) for line in entry.lines]
        if crash is not None:
            crash.message = defused(crash.message, environ)


def tell(document: Document, write: Write, environ: Mapping[str, str], rootdir: Path) -> None:
    """Add the run to the step's summary, and annotate the lines of red tests."""
    if not active(environ):
        return
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            _append(Path(path), markdown.dumps(document))
        except OSError as error:
            write(f"the step's summary could not be written: {error}")
    workspace = Path(environ.get("GITHUB_WORKSPACE", rootdir))
    for line in annotations(document, lambda place: located(place, rootdir, workspace)):
        write(line)


def _append(path: Path, page: str) -> None:
    """Add a page to a summary. OSError where that cannot be, or where GitHub would drop it all."""
    text = page.encode()
    if path.exists() and not path.is_file():  # a FIFO would never end
        raise OSError("it is not a regular file")
    if path.exists() and path.stat().st_size + len(text) > MOST_BYTES:
        raise OSError("there is no room left in it")
    with path.open("ab") as file:
        file.write(text)


def located(place: str, rootdir: Path, workspace: Path) -> Where:
    """A file of the workspace and its line, from a `path:line` that is relative to `rootdir`.

    Nothing for what is no such file, as a library's or a generated template's is not.
    """
    match = re.fullmatch(r"(.+?)(?::(\d+))?", place)
    if match is None:
        return {}
    file = Path(os.path.realpath(rootdir / match[1].replace("\0", "")))
    root = os.path.realpath(workspace)
    if not (file.is_file() and file.is_relative_to(root)):
        return {}
    return {"file": str(file.relative_to(root))} | ({"line": match[2]} if match[2] else {})
