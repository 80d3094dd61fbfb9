"""The metrics, each defined once: name, unit, and how rounds are summarised. Runs in the pytest process."""

from dataclasses import dataclass

from pytest_cowmem.model.units import Unit


@dataclass(frozen=True)
class Tolerance:
    """How far a value may be from the baseline: the larger of a share of it and an absolute amount in the metric's unit."""

    relative: float
    absolute: int

    def allows(self, baseline: int) -> int:
        """The amount allowed around `baseline`."""
        return max(int(abs(baseline) * self.relative), self.absolute)


# What private memory may move by when the same objects lie in other pages: over 96 layouts (environment variables and paths of varied
# length, CPython 3.11 and 3.13, a Flask app) its standard deviation was 3 to 9 pages; this is 3.5 of the largest, for a difference of two.
LAYOUT_NOISE = 128 * 1024

# The share of fresh memory that another layout may move: whether a large block fits a hole decides if the heap has to grow. Over 28 layouts
# of the example's reports (address randomisation on, CPython 3.11) the highest resident growth of some 19 MiB moved by up to 3.4 %.
PACKING = 0.05

WIDENING = frozenset(
    {"fresh", "returned"}
)  # the metrics of a baseline that widen what another layout may differ by


@dataclass(frozen=True)
class Metric:
    """A figure of one round; docs/metrics.md defines each. `tolerance` is set for those held to the baseline by default."""

    name: str
    unit: Unit
    tolerance: Tolerance | None = None

    def layout_noise(self, requests: int, fresh: int, returned: int) -> int:
        """What another layout may move it by, where it counts whole pages; growth by that much over all requests.

        Of what the worker has `returned`, another layout may keep all: an allocator gives back a region once nothing lies in it. What is
        `fresh` may be packed otherwise.
        """
        if self.unit != "bytes":
            return 0
        if self.name == "growth":
            return LAYOUT_NOISE // max(requests, 1)
        if self.name not in ("private", "fresh", "uss"):
            return LAYOUT_NOISE
        return LAYOUT_NOISE + round(PACKING * fresh) + returned

    @property
    def least(self) -> bool:
        """Whether rounds are summarised by their minimum: times, where noise only adds. Else by their median."""
        return self.unit == "ns"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("private", "bytes", Tolerance(0.02, 64 * 1024)),
        Metric("copied", "bytes"),
        Metric("fresh", "bytes"),
        Metric("uss", "bytes"),
        Metric("first", "bytes"),
        Metric("growth", "bytes", Tolerance(0.0, 64)),
        Metric("peak", "bytes"),
        Metric("returned", "bytes"),
        Metric("gc_pause", "ns", Tolerance(0.30, 10**6)),
        Metric("gc_total", "ns"),
        Metric("gc_collections", "count", Tolerance(0.05, 1)),
        Metric("gc_collections_0", "count", Tolerance(0.05, 1)),
        Metric("gc_collections_1", "count", Tolerance(0.05, 1)),
        Metric("gc_collections_2", "count", Tolerance(0.05, 1)),
        Metric("gc_copied", "bytes"),
        Metric("imports", "count"),
        Metric("cpu", "ns"),
    )
}
