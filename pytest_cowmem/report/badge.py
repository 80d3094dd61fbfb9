"""A run as a badge of shields.io. Runs in the process that writes it; no I/O.

"Endpoint Badge" in the documentation of shields.io has the format.
"""

import json

from pytest_cowmem.model.document import Document
from pytest_cowmem.report.headline import counts


def dumps(document: Document) -> str:
    """The badge as JSON. It names no test."""
    badge = {
        "schemaVersion": 1,
        "label": "memory gate",
        "message": counts(document),
        "color": "brightgreen" if document.passed else "red",
    }
    return json.dumps(badge) + "\n"
