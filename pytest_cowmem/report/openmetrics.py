"""What tests are held to, as OpenMetrics text. Runs in the process that writes it; no I/O.

GitLab's metrics report shows what a merge request changes in it. Times are left out: they differ in
each run, and GitLab takes any difference for a change.
"""

from collections.abc import Iterator

from pytest_cowmem.model.document import Document
from pytest_cowmem.model.metrics import METRICS, Metric

_SUFFIX = {"bytes": "_bytes", "count": ""}


def dumps(document: Document) -> str:
    """A gauge for each gated metric in bytes or a count, with the tests as labels."""
    families = (_family(document, it) for it in METRICS.values() if it.unit in _SUFFIX)
    return "".join(line + "\n" for lines in families for line in lines) + "# EOF\n"


def _family(document: Document, metric: Metric) -> Iterator[str]:
    """The lines of one metric; none where no test is held to it."""
    name = f"cowmem_{metric.name}{_SUFFIX[metric.unit]}"
    amounts = {
        (record.test, record.profile): record.measurement.values[metric.name]
        for record in document.records
        if metric.name in record.tolerances and metric.name in record.measurement.values
    }
    if amounts:
        yield f"# TYPE {name} gauge"
        if metric.unit == "bytes":
            yield f"# UNIT {name} bytes"
    for (test, profile), amount in amounts.items():
        yield f'{name}{{test="{_label(test)}",profile="{_label(profile)}"}} {amount}'


def _label(text: str) -> str:
    """A label's value: the three characters that the format escapes, escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
