"""Changes to the baseline, old to new. Runs in the pytest process."""

from collections.abc import Collection

from pytest_cowmem.model.baseline import Change
from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.units import render, render_change


def as_line(change: Change, gated: Collection[str]) -> str:
    """One change for people, of the metrics in `gated`."""
    if change.new is None:
        return f"removed  {change.test}"
    if change.old is None:
        private = change.new.metrics.get(PRIVATE)
        amount = "" if private is None else f"  {PRIVATE} {render(private, 'bytes')}"
        return f"added    {change.test}{amount}"
    old, new = change.old.metrics, change.new.metrics
    parts = [
        _moved(name, old.get(name), new.get(name))
        for name in METRICS
        if name in gated and old.get(name) != new.get(name)
    ]
    if not parts and change.old.source != change.new.source:
        parts = ["the test's source"]
    if not parts and change.old.what_if != change.new.what_if:
        parts = ["what helps most"]
    return f"changed  {change.test}  {', '.join(parts) or 'ungated metrics only'}"


def _moved(metric: str, old: int | None, new: int | None) -> str:
    """One metric, old to new; by how much where both look alike."""
    unit = METRICS[metric].unit
    before, after = ("-" if amount is None else render(amount, unit) for amount in (old, new))
    if before == after and old is not None and new is not None:
        return f"{metric} {before} {render_change(new - old, unit)}"
    return f"{metric} {before} -> {after}"
