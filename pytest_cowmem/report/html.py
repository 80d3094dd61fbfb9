"""A run as one HTML page: its tests in a table, each with its pictures. Runs in the process that
writes it.

The table and all sentences on the run are HTML. What is shown of a test when its row is opened is
data, from which the page's scripts draw it.
"""

import base64
import json
import zlib

from pytest_cowmem.model.document import Document
from pytest_cowmem.report.detail import detail
from pytest_cowmem.report.headline import headline, worst_first
from pytest_cowmem.report.page import page
from pytest_cowmem.report.view import COLUMNS, row, view
from pytest_cowmem.report.what_if import advice

_STYLES = ("run.css", "pictures.css")
_SCRIPTS = (
    "amounts.js",
    "elements.js",
    "stepping.js",
    "memory_map.js",
    "pauses.js",
    "ages.js",
    "bars.js",
    "test.js",
    "rows.js",
)
_WIDTH = 100  # characters of advice
_FAST = 2  # of zlib: a fifth larger than its default, and in a fifth of the time


def dumps(document: Document) -> str:
    """The page, red tests first."""
    shown = view(document)
    red = worst_first(document.records)
    records = [*red, *(record for record in document.records if not record.failed)]
    return page(
        "run.html",
        _STYLES,
        _SCRIPTS,
        headline=headline(document),
        document=document,
        shown=shown,
        columns=COLUMNS,
        rows=[row(record) for record in records],
        advised=["\n".join(advice(it, document.host_memory, _WIDTH)) for it in shown.advised],
        reproduce=document.invocation.run(),
        data=_packed([detail(record, document.invocation) for record in records]),
    )


def _packed(data: object) -> str:
    """Data as JSON, compressed: a map of many pages is long, and little in it is new."""
    text = json.dumps(data, separators=(",", ":"), check_circular=False)
    return base64.b64encode(zlib.compress(text.encode(), level=_FAST)).decode()
