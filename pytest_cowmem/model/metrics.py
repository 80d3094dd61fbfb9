"""The metrics, each defined once, as one line of a table. Runs in the pytest process; no I/O.

docs/reference/metrics.md defines each for users. A new metric is a new line in METRICS.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_cowmem.model.growth import LEAST_REQUESTS, growth_per_request
from pytest_cowmem.model.observation import Observation
from pytest_cowmem.model.units import Unit


@dataclass(frozen=True)
class Tolerance:
    """How far a value may be from the baseline: the larger of a share of it and an amount.

    The amount is in the metric's unit.
    """

    relative: float
    absolute: int

    def allows(self, baseline: int) -> int:
        """The amount allowed around `baseline`."""
        return max(int(abs(baseline) * self.relative), self.absolute)


# Defaults that explanations rest on too.
OF_PRIVATE = Tolerance(0.02, 64 * 1024)
OF_GROWTH = Tolerance(0.0, 64)


# What private memory may move by when the same objects lie in other pages. Its standard deviation
# was 3 to 9 pages over 96 layouts: environment variables and paths of varied length, CPython 3.11
# and 3.13, a Flask app. This is 3.5 of the largest, for a difference of two.
LAYOUT_NOISE = 128 * 1024

# The share of fresh memory that another layout may move: whether a large block fits a hole decides
# if the heap has to grow. The highest resident growth of some 19 MiB moved by up to 3.4 %, over 28
# layouts of the example's reports (address randomisation on, CPython 3.11).
PACKING = 0.05

PRIVATE = "private"  # the metric that every round has
WIDENING = frozenset({"fresh", "returned"})  # metrics of a baseline that `packed` reads

Read = Callable[[Observation], int | None]
# (measured values of the lower side, requests) -> what another layout may move a metric by.
LayoutNoise = Callable[[Mapping[str, int], int], int]


def unmoved(_values: Mapping[str, int], _requests: int) -> int:
    """Times and counts are not moved by a layout."""
    return 0


def pages(_values: Mapping[str, int], _requests: int) -> int:
    """What counts whole pages moves by the noise of layouts."""
    return LAYOUT_NOISE


def pages_a_request(_values: Mapping[str, int], requests: int) -> int:
    """The same noise over all requests."""
    return LAYOUT_NOISE // max(requests, 1)


def packed(values: Mapping[str, int], _requests: int) -> int:
    """Fresh memory may be packed otherwise, and what was given back may be kept.

    An allocator gives a region back once nothing lies in it.
    """
    return LAYOUT_NOISE + round(PACKING * values.get("fresh", 0)) + values.get("returned", 0)


_FROM_MACHINE = "this machine does not give it"
_NO_REQUEST = "the test made no request"
_NO_RECORDER = (
    "the app took the recorder out of gc.callbacks; let it leave what it did not put there"
)
_FEW_REQUESTS = (
    f"it takes at least {LEAST_REQUESTS} requests to tell growth from warming up; "
    "make more, for instance with cow_worker.burst()"
)


@dataclass(frozen=True)
class Metric:
    """A figure of one round, in `unit`: bytes, nanoseconds or a count.

    `read` takes it from an observation, and gives None where there is nothing to read. `missing`
    then says why. `needs` is the file of /proc that it takes, where a kernel may be built without
    it. `tolerance` is set for the metrics that are held to the baseline by default. `moves` is what
    another layout may move it by. `headline` is set for those that a failure always shows.
    """

    name: str
    unit: Unit
    read: Read
    missing: str = _FROM_MACHINE
    needs: str = ""
    tolerance: Tolerance | None = None
    moves: LayoutNoise = unmoved
    headline: bool = False

    @property
    def least(self) -> bool:
        """Whether rounds are summarised by their minimum, else by their median.

        The minimum is for times, to which noise only adds.
        """
        return self.unit == "ns"


def _first(seen: Observation) -> int | None:
    return seen.points[0][1] if seen.points and seen.points[0][0] == 1 else None


def _returned(seen: Observation) -> int | None:
    if seen.cost.highest is None or seen.end.highest is None or seen.end.resident is None:
        return None
    return seen.end.highest - seen.end.resident


def _of_generations(
    summarise: Callable[[Iterable[int]], int], field: str, scaled: bool = False
) -> Read:
    """Summarise a field of all generations, where collections were recorded to the end."""

    def read(seen: Observation) -> int | None:
        if not seen.recorded:
            return None
        amount = summarise(getattr(generation, field) for generation in seen.cost.generations)
        return round(amount * seen.gc_scale) if scaled else amount

    return read


def _collections(number: int) -> Metric:
    return Metric(
        f"gc_collections_{number}",
        "count",
        lambda seen: seen.cost.generations[number].collections if seen.recorded else None,
        missing=_NO_RECORDER,
        tolerance=Tolerance(0.05, 1),
    )


_TABLE = (
    Metric(
        PRIVATE,
        "bytes",
        lambda seen: seen.cost.private,
        tolerance=OF_PRIVATE,
        moves=packed,
        headline=True,
    ),
    Metric("copied", "bytes", lambda seen: seen.cost.copied, needs="pagemap", moves=pages),
    Metric("fresh", "bytes", lambda seen: seen.cost.fresh, needs="pagemap", moves=packed),
    Metric("uss", "bytes", lambda seen: seen.end.uss, moves=packed),
    Metric("first", "bytes", _first, missing=_NO_REQUEST, moves=pages),
    Metric(
        "growth",
        "bytes",
        lambda seen: growth_per_request(seen.points),
        missing=_FEW_REQUESTS,
        tolerance=OF_GROWTH,
        moves=pages_a_request,
        headline=True,
    ),
    Metric("peak", "bytes", lambda seen: seen.cost.highest, needs="clear_refs", moves=pages),
    Metric("returned", "bytes", _returned, needs="clear_refs", moves=pages),
    Metric(
        "gc_pause",
        "ns",
        _of_generations(max, "longest", scaled=True),
        missing=_NO_RECORDER,
        tolerance=Tolerance(0.30, 10**6),
        headline=True,
    ),
    Metric("gc_total", "ns", _of_generations(sum, "cpu", scaled=True), missing=_NO_RECORDER),
    Metric(
        "gc_collections",
        "count",
        _of_generations(sum, "collections"),
        missing=_NO_RECORDER,
        tolerance=Tolerance(0.05, 1),
        headline=True,
    ),
    _collections(0),
    _collections(1),
    _collections(2),
    Metric(
        "gc_full",
        "bytes",
        lambda seen: seen.full and seen.full[0],
        tolerance=OF_PRIVATE,
        moves=pages,
    ),
    Metric("gc_full_pause", "ns", lambda seen: seen.full and round(seen.full[1] * seen.gc_scale)),
    Metric("gc_copied", "bytes", _of_generations(sum, "copied"), missing=_NO_RECORDER, moves=pages),
    Metric("master", "bytes", lambda seen: seen.master, tolerance=Tolerance(0.02, 2**20)),
    Metric("imports", "count", lambda seen: len(seen.imports)),
    Metric(
        "cpu",
        "ns",
        lambda seen: seen.cost.cpu // seen.requests if seen.requests else None,
        missing=_NO_REQUEST,
    ),
)
METRICS = {metric.name: metric for metric in _TABLE}
