"""The red tests in GitLab's Code Quality format. Runs in the process that writes it; no I/O.

GitLab shows them in a merge request. "Code Quality" in its documentation has the format: an array
of findings, each at a line, with a fingerprint that tells whether another run had it too.
"""

import hashlib
import json
import posixpath
import re
from typing import Any

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.causes import first_cause
from pytest_cowmem.report.failure import sentences
from pytest_cowmem.report.headline import name_of, worst_first
from pytest_cowmem.report.markup import visible

_LETTERS = 2_000
_PLACE = re.compile(r"([^(].*):(\d+)")


def dumps(document: Document) -> str:
    """The findings as JSON: one a red test, at the app's line to blame, or else at the test's."""
    root = document.invocation.root
    findings = [_finding(record, root) for record in worst_first(document.records)]
    return json.dumps(findings, indent=2) + "\n"


def _finding(record: Record, root: str) -> dict[str, Any]:
    cause = first_cause(record)
    place = cause.place if cause and _PLACE.fullmatch(cause.place) else record.place
    match = _PLACE.fullmatch(place)
    path, line = (match[1], int(match[2])) if match else (record.test.partition("::")[0], 1)
    known_by = f"{record.profile}\n{record.test}".encode(errors="backslashreplace")
    text = f"{name_of(record.test)}: {' '.join(sentences(record))}"
    return {
        "description": visible(text)[:_LETTERS],
        "check_name": f"cowmem {record.verdict.value}",
        "fingerprint": hashlib.sha256(known_by).hexdigest(),
        "severity": "major",
        "location": {
            "path": posixpath.normpath(posixpath.join(root, path)),
            "lines": {"begin": line},
        },
    }
