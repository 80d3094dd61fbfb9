"""The baseline: what was last accepted. Runs in the pytest process; no I/O."""

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pytest_cowmem.model.figure import Figure
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import METRICS
from pytest_cowmem.model.what_if import Helps

LAYOUTS = 5  # that an update measures
MIXED = "mixed"  # the layout of an entry with figures of two

Environment = Mapping[str, str | int]


@dataclass(frozen=True)
class Conditions:
    """Under what a test is measured.

    `profile` is the key of what moves private bytes, `environment` what is recorded beside it.
    `source` is a hash of the test's source and app. `gc` is the app's policy and its thresholds.
    `layout` is a digest of where the app's objects lie.
    """

    profile: str
    environment: Environment
    source: str
    gc: str
    layout: str


@dataclass(frozen=True)
class Entry:
    """What one test measured when somebody last accepted it: bytes, nanoseconds or counts.

    `metrics` has means over `layouts` layouts where pages are counted. `first` has those of the
    first layout, and `deviation` the standard deviations. Both lack what is the same in all.
    `source`, `gc` and `layout` are those of its conditions; `layout` is the first one's.
    `modules` is private bytes by module, from a traced round. `what_if` is the policy that helped
    most when policies were last tried.
    """

    metrics: Mapping[str, int]
    source: str
    gc: str
    layout: str
    layouts: int = LAYOUTS
    first: Mapping[str, int] = field(default_factory=dict)
    deviation: Mapping[str, int] = field(default_factory=dict)
    modules: Mapping[str, int] = field(default_factory=dict)
    what_if: Helps | None = None

    @classmethod
    def of(
        cls, measurement: Measurement, conditions: Conditions, names: Collection[str]
    ) -> "Entry":
        """What a measurement would be accepted as, with the metrics in `names`."""
        values = {name: value for name, value in measurement.values.items() if name in names}
        pages = {name for name in values if METRICS[name].of_pages}
        spans = {name: measurement.layouts[name] for name in pages & {*measurement.layouts}}
        varied = {name: amounts for name, amounts in spans.items() if len({*amounts}) > 1}
        return cls(
            {name: _rounded(name, value) for name, value in values.items()},
            conditions.source,
            conditions.gc,
            conditions.layout,
            max(map(len, spans.values()), default=1),
            {name: amounts[0] for name, amounts in varied.items()},
            {name: _in_kib(statistics.stdev(amounts)) for name, amounts in varied.items()},
        )

    @property
    def figures(self) -> Mapping[str, Figure]:
        """What is known of each metric that there is; an entry does not keep the spread."""
        return {
            name: self._figure(name, self.metrics[name]) for name in {*METRICS} & {*self.metrics}
        }

    def _figure(self, name: str, amount: int) -> Figure:
        metric = METRICS[name]
        beside = self.metrics.get(metric.beside)
        return Figure(
            amount,
            self.first.get(name, amount),
            self.deviation.get(name, 0),
            self.layouts if metric.of_pages else 0,
            beside=None if beside is None else (amount, beside),
        )


def _rounded(name: str, value: int) -> int:
    """A value without what chance decides: means to the KiB, times to the microsecond."""
    metric = METRICS[name]
    if metric.of_pages:
        return _in_kib(value)
    return round(value, -3) if metric.unit == "ns" else value


def _in_kib(amount: float) -> int:
    return round(amount / 1024) * 1024


@dataclass(frozen=True)
class Profile:
    """The entries of one environment, and what is recorded beside its key.

    `reference` has some metrics of a fixed app, which only interpreter and machine can change.
    """

    environment: Environment = field(default_factory=dict)
    tests: Mapping[str, Entry] = field(default_factory=dict)
    reference: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One entry's change; `old` is None for an added entry, `new` for a removed one."""

    profile: str
    test: str
    old: Entry | None
    new: Entry | None


@dataclass(frozen=True)
class Baseline:
    """The whole file: profiles by their key."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def with_profile(self, key: str, profile: Profile) -> "Baseline":
        """The same with one profile replaced."""
        return Baseline({**self.profiles, key: profile})
