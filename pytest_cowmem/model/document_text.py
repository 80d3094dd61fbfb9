"""The text of a run's JSON report. Runs in the process that writes or reads it; no I/O.

document.schema.json beside this file says what it holds; `make schema` writes that.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.formats import reader
from pytest_cowmem.model.typed import shallow, typed

FORMAT = 1


def dumps(document: Document) -> str:
    """The report's text: one object, with a line for each field of the document and each record."""
    lines = [f'"format": {FORMAT}']
    for name, value in shallow(document).items():
        if name == "records":
            records = ",\n".join(map(_text, value))
            lines.append(f'"records": [\n{records}\n]')
        else:
            lines.append(f"{json.dumps(name)}: {_text(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str, name: str = "report") -> Document:
    """The run in `text`. UsageError, which names it, for what `dumps` does not write."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the report {name} is not JSON ({error}): make it anew with --cowmem-report"
        ) from None
    if isinstance(data, dict) and isinstance(data.get("profiles"), dict):
        raise UsageError(f"{name} is a baseline, and no report: give a file of --cowmem-report")
    try:
        read = reader(_READERS, data, f"the report {name}")
        return read({key: value for key, value in data.items() if key != "format"})
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(
            f"the report {name} is none of --cowmem-report ({error}): make it anew, "
            "with this version of pytest-cowmem"
        ) from None


def _first_format(data: Mapping[str, Any]) -> Document:
    document: Document = typed(Document, data)
    _refuse_twice(document)
    return document


def _refuse_twice(document: Document) -> None:
    """ValueError for a test that has two records in a profile: one would hide the other."""
    seen = set()
    for record in document.records:
        if (record.profile, record.test) in seen:
            raise ValueError(f"it has {record.test} twice")
        seen.add((record.profile, record.test))


_READERS: Mapping[int, Callable[[Mapping[str, Any]], Document]] = {1: _first_format}


def _text(value: Any) -> str:
    return json.dumps(value, default=shallow, ensure_ascii=False)
