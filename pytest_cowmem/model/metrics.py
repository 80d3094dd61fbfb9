"""The metrics, each defined once, as one line of a table. Runs in the pytest process; no I/O.

docs/reference/metrics.md defines each for users. A new metric is a new line in METRICS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pytest_cowmem.model.growth import LEAST_REQUESTS
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
OF_PRIVATE = Tolerance(0.01, 64 * 1024)
OF_GROWTH = Tolerance(0.02, 8)
# Of a worker and its descendants: which of them writes to a shared page first is chance. Pools of
# two forks moved by up to 65 pages.
OF_TREE = Tolerance(0.02, 256 * 1024)

FULL = 2  # the generation of full collections
PRIVATE = "private"  # the metric that every round has
GROWTH = "growth"  # the metric that has a round of its own
MASTER = "master"  # the metric of the zygote
MAPPED = "mapped"  # the other one: its libraries
FIRST = "first"
CHILDREN = "children"  # the metric of whatever a worker has started
USS = "uss"
AGED = "aged"  # the metric that is read last
WORKERS = "workers"  # the metric of a host

Read = Callable[[Observation], int | None]

_FROM_MACHINE = "this machine does not give it"
_NO_REQUEST = "the test made no request"
_NO_TREE = "a worker's own forks are counted with App(..., tree=True) only"
_NO_RECORDER = (
    "the app took the recorder out of gc.callbacks; let it leave what it did not put there"
)
_NO_GROWTH = (
    f"it takes at least {LEAST_REQUESTS} requests to tell growth from warming up, and pymalloc or "
    "glibc to tell what is in use; make more, for instance with cow_worker.burst()"
)


@dataclass(frozen=True)
class Metric:
    """A figure of one round, in `unit`: bytes, nanoseconds or a count.

    `read` takes it from an observation, and gives None where there is nothing to read. `missing`
    then says why. `needs` is the file of /proc that it takes, where a kernel may be built without
    it. `tolerance` is set for the metrics that are held to the baseline by default. `of_pages` says
    that it counts pages, and so varies with the layout. `copies` says that it counts copied pages
    alone, and so no arena of the worker's own. `beside` names the metric that a time is
    compared with as well, where a slow machine makes both longer. `headline` is set for those that
    a failure always shows. `floor` says that more is better: a budget is the least that will do.
    `once` says that one round of a layout is read for it.
    """

    name: str
    unit: Unit
    read: Read
    missing: str = _FROM_MACHINE
    needs: str = ""
    tolerance: Tolerance | None = None
    of_pages: bool = False
    copies: bool = False
    beside: str = ""
    headline: bool = False
    floor: bool = False
    once: bool = False

    @property
    def least(self) -> bool:
        """Whether rounds are summarised by their minimum, else by their median.

        The minimum is for times, to which noise only adds.
        """
        return self.unit == "ns"


def _of_its_own_round(_seen: Observation) -> None:
    """Growth is told in a round of its own (host/growth_round.py); `with_growth` adds it."""


def _first(seen: Observation) -> int | None:
    return dict(seen.ages).get(1)


def _of_a_host(_seen: Observation) -> None:
    """What a host holds depends on a setting; `with_workers` adds it (model/measurement.py)."""


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
        # A full collection more, or one less, is no chance: all workers start in the same phase.
        tolerance=Tolerance(0.05, 0 if number == FULL else 1),
    )


_TABLE = (
    Metric(
        PRIVATE,
        "bytes",
        lambda seen: seen.cost.private,
        tolerance=OF_PRIVATE,
        of_pages=True,
        headline=True,
    ),
    Metric(
        "copied",
        "bytes",
        lambda seen: seen.cost.copied,
        needs="pagemap",
        of_pages=True,
        copies=True,
    ),
    Metric("fresh", "bytes", lambda seen: seen.cost.fresh, needs="pagemap", of_pages=True),
    Metric(
        CHILDREN,
        "bytes",
        lambda seen: seen.descendants.private if seen.descendants else None,
        missing=_NO_TREE,
        tolerance=OF_TREE,
        of_pages=True,
        headline=True,
    ),
    Metric(USS, "bytes", lambda seen: seen.end.uss, of_pages=True),
    Metric(AGED, "bytes", lambda seen: seen.aged, of_pages=True, once=True),
    Metric(FIRST, "bytes", _first, missing=_NO_REQUEST, of_pages=True),
    Metric(
        GROWTH,
        "bytes",
        _of_its_own_round,
        missing=_NO_GROWTH,
        tolerance=OF_GROWTH,
        headline=True,
    ),
    Metric("peak", "bytes", lambda seen: seen.cost.highest, needs="clear_refs", of_pages=True),
    Metric("returned", "bytes", _returned, needs="clear_refs", of_pages=True),
    Metric(
        "gc_pause",
        "ns",
        _of_generations(max, "longest", scaled=True),
        missing=_NO_RECORDER,
        tolerance=Tolerance(1.0, 5 * 10**6),
        beside="gc_full_pause",
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
        of_pages=True,
        copies=True,
    ),
    Metric("gc_full_pause", "ns", lambda seen: seen.full and round(seen.full[1] * seen.gc_scale)),
    Metric(
        "gc_copied",
        "bytes",
        _of_generations(sum, "copied"),
        missing=_NO_RECORDER,
        of_pages=True,
        copies=True,
    ),
    Metric(MASTER, "bytes", lambda seen: seen.master, tolerance=Tolerance(0.02, 2**20)),
    Metric(MAPPED, "bytes", lambda seen: seen.mapped),
    Metric(WORKERS, "count", _of_a_host, floor=True),
    Metric("imports", "count", lambda seen: len(seen.imports)),
    Metric(
        "cpu",
        "ns",
        lambda seen: seen.cost.cpu // seen.requests if seen.requests else None,
        missing=_NO_REQUEST,
    ),
)
METRICS = {metric.name: metric for metric in _TABLE}
# What a test has whose body runs in a fork of the pytest process: no master, no requests.
OF_PLAIN_TESTS = tuple(
    name
    for name in METRICS
    if name in (PRIVATE, "copied", "fresh", "peak", "returned", "imports")
    or name.startswith(("gc_pause", "gc_total", "gc_collections", "gc_copied"))
)
