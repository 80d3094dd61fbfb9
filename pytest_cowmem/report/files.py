"""What makes a run's text for a file, by the file's suffix. Runs in the process that writes it.

A new format is a module with a `dumps` of a document, and a line in FORMATS.
"""

from collections.abc import Callable
from importlib import import_module

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError

# The module of each suffix's `dumps`. It is imported when a report is asked for.
FORMATS = {
    ".json": "pytest_cowmem.model.document_text",
    ".md": "pytest_cowmem.report.markdown",
    ".html": "pytest_cowmem.report.html",
    ".badge.json": "pytest_cowmem.report.badge",
    ".codequality.json": "pytest_cowmem.report.codequality",
    ".metrics.txt": "pytest_cowmem.report.openmetrics",
}


def dumps_for(name: str) -> Callable[[Document], str]:
    """What makes a file's text; the longest suffix that has a format counts. UsageError for none.

    It makes a text, and needs what it imports: better said before a run than after it.
    """
    for at, letter in enumerate(name):
        if letter == "." and name[at:] in FORMATS:
            dumps: Callable[[Document], str] = import_module(FORMATS[name[at:]]).dumps
            return dumps
    raise UsageError(f"no report is made as {name}: end its name in {' or '.join(FORMATS)}")
