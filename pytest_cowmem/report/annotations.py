"""The red tests as commands of GitHub Actions, which annotate lines. Runs in the pytest process.

No I/O. A command is a line of the output that begins with "::", after any space. "Workflow commands
for GitHub Actions" in GitHub's documentation has the rules.
"""

from collections.abc import Callable, Mapping

from pytest_cowmem.model.cause import Cause
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render
from pytest_cowmem.report.causes import first_cause
from pytest_cowmem.report.failure import sentences
from pytest_cowmem.report.headline import name_of, worst_first
from pytest_cowmem.report.markup import visible

MOST = 10  # annotations of a kind that GitHub shows of one step
_LETTERS = 2_000

Where = Mapping[str, str]  # "file" and "line", as far as they are known


def annotations(document: Document, locate: Callable[[str], Where]) -> list[str]:
    """Commands that annotate the worst red tests' lines, each with the app's line to blame.

    `locate` finds a `path:line` in the repository.
    """
    found = []
    for record in worst_first(document.records):
        name = name_of(record.test)
        title = f"{name}: {record.verdict.value}"
        found.append(_command(locate(record.place), title, "\n".join(sentences(record))))
        cause = _to_blame(record)
        if cause and (where := locate(cause.place)):
            message = f"{render(cause.bytes, 'bytes')} by {cause.text}"
            found.append(_command(where, f"private memory of {name}", message))
    return found[:MOST]


def _to_blame(record: Record) -> Cause | None:
    """A red test's first cause; none where another test's explanation has it."""
    return None if record.shared else first_cause(record)


def _command(where: Where, title: str, message: str) -> str:
    """An annotation as a command of one line."""
    told = {**where, "title": title[:_LETTERS]}
    properties = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in told.items())
    return f"::error {properties}::{_escaped(message[:_LETTERS])}"


def _escaped(text: str, besides: str = "") -> str:
    """A text as the value of a command. What cannot be seen is spelled out."""
    text = "\n".join(map(visible, text.split("\n"))).replace("%", "%25")
    for letter in f"\n{besides}":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text
