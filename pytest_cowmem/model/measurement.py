"""What one round measured, and the summary over rounds. Runs in the pytest process; no I/O."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_cowmem.model import capacity
from pytest_cowmem.model.child import Child
from pytest_cowmem.model.figure import Figure
from pytest_cowmem.model.growth import Growth
from pytest_cowmem.model.memory_map import MemoryMap
from pytest_cowmem.model.metrics import GROWTH, METRICS, PRIVATE, USS, WORKERS
from pytest_cowmem.model.observation import Observation
from pytest_cowmem.model.pause import Pauses


@dataclass(frozen=True)
class Sample:
    """One round: values by metric, the modules imported late, and the requests made.

    Values are bytes, nanoseconds or counts. A metric that could not be read is absent. `growth` is
    what a growth round found, whose bytes are among the values. `ages` has pairs of requests served
    and private bytes after them. `children_ended` says whether a child of the worker ended, whose
    memory is in no value. `going` names the functions of tasks that requests started, and that went
    on for long. `children` has each descendant, where these are measured. `map` is the worker's
    memory at its end, and `pauses` its collections, where a report is to show them.
    """

    values: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int
    children_ended: bool = False
    growth: Growth | None = None
    ages: tuple[tuple[int, int], ...] = ()
    going: tuple[str, ...] = ()
    children: tuple[Child, ...] = ()
    map: MemoryMap | None = None
    pauses: Pauses = field(default_factory=Pauses)

    @classmethod
    def of(cls, seen: Observation) -> "Sample":
        """All metrics of one round."""
        amounts = {name: metric.read(seen) for name, metric in METRICS.items()}
        values = {name: amount for name, amount in amounts.items() if amount is not None}
        return cls(
            values,
            seen.imports,
            seen.requests,
            seen.children_ended,
            ages=seen.ages,
            going=seen.going,
            children=seen.children,
            map=seen.map,
            pauses=seen.pauses if seen.recorded else Pauses(),
        )

    def with_growth(self, growth: Growth | None) -> "Sample":
        """The same with what a growth round found."""
        return replace(self, **_grown(self.values, growth))


@dataclass(frozen=True)
class Measurement:
    """The summary over rounds, and over layouts where more than one was measured.

    `values` has one amount a metric. `spread` is the distance from the first layout's amount within
    which three of four of its rounds lie. `rounds` are those of the first layout. `layouts` holds
    each layout's amount of the metrics that count pages, the first layout's first. `beside` has
    times with the time beside them, of the round in which they were shortest for that. `growth` is
    what a growth round found, whose bytes are among the values. `ages` and `children` are the last
    round's. `server` is what each process of a real server has more: 0 where one was measured.
    `map` and `pauses` are of the first layout's last round that has a map.
    """

    values: Mapping[str, int]
    spread: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int
    rounds: int
    layouts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    beside: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    children_ended: bool = False
    growth: Growth | None = None
    ages: tuple[tuple[int, int], ...] = ()
    going: tuple[str, ...] = ()
    server: int = capacity.SERVER
    children: tuple[Child, ...] = ()
    map: MemoryMap | None = None
    pauses: Pauses = field(default_factory=Pauses)

    @classmethod
    def of(cls, rounds: Sequence[Sample], others: Sequence[Sample] = ()) -> "Measurement":
        """The summary of the first layout's rounds, and of one round in each other layout.

        Rounds come to the median of bytes and counts, and to the minimum of times. What counts
        pages is the mean of the layouts. What one round lacks is left out, unless a metric takes
        only one.

        One round in four may be far off without counting as noise: the first after a checkout may
        compile what a request imports.
        """
        values, spread, layouts = {}, {}, {}
        for name, metric in METRICS.items():
            amounts = [sample.values[name] for sample in rounds if name in sample.values]
            further = [sample.values[name] for sample in others if name in sample.values]
            needed = 1 if metric.once else len(rounds)
            if len(amounts) < needed or len(further) < len(others):
                continue
            values[name] = min(amounts) if metric.least else statistics.median_low(amounts)
            distances = sorted(abs(amount - values[name]) for amount in amounts)
            spread[name] = distances[math.ceil(len(amounts) * 0.75) - 1]
            if metric.of_pages:
                layouts[name] = (values[name], *further)
                values[name] = round(statistics.mean(layouts[name]))
        samples = (*rounds, *others)
        imports = sorted({name for sample in samples for name in sample.imports})
        drawn = next((sample for sample in reversed(rounds) if sample.map), rounds[-1])
        return cls(
            values,
            spread,
            tuple(imports),
            rounds[-1].requests,
            len(rounds),
            layouts,
            _beside(rounds),
            any(sample.children_ended for sample in samples),
            ages=rounds[-1].ages,
            going=tuple(sorted({name for sample in samples for name in sample.going})),
            children=rounds[-1].children,
            map=drawn.map,
            pauses=drawn.pauses,
        )

    @property
    def private(self) -> int:
        """The metric `private`, which every measurement has, in bytes."""
        return self.values[PRIVATE]

    @property
    def figures(self) -> Mapping[str, Figure]:
        """What is known of each metric."""
        return {name: self._figure(name, amount) for name, amount in self.values.items()}

    def _figure(self, name: str, amount: int) -> Figure:
        layouts = self.layouts.get(name, ())
        return Figure(
            amount,
            layouts[0] if layouts else amount,
            statistics.stdev(layouts) if len(layouts) > 1 else 0,
            len(layouts),
            self.spread.get(name, 0),
            self.beside.get(name),
        )

    def with_private(self, private: int) -> "Measurement":
        """The same with other private bytes, in each of its layouts, and no spread."""
        amounts = tuple(private for _ in self.layouts.get(PRIVATE, ()))
        return replace(
            self,
            values={**self.values, PRIVATE: private},
            spread={},
            layouts={**self.layouts, PRIVATE: amounts},
        )

    def with_growth(self, growth: Growth | None) -> "Measurement":
        """The same with what a growth round found."""
        return replace(self, **_grown(self.values, growth))

    def with_workers(self, host: int, server: int = capacity.SERVER) -> "Measurement":
        """The same with how many such workers a host of so many bytes holds, and the `server`."""

        def held(uss: int) -> int:
            return capacity.served(host, self.values, uss, server)

        layouts = tuple(map(held, self.layouts[USS]))
        return replace(
            self,
            values={**self.values, WORKERS: held(self.values[USS])},
            layouts={**self.layouts, WORKERS: layouts},
            server=server,
        )


def _beside(rounds: Sequence[Sample]) -> dict[str, tuple[int, int]]:
    """Each time that is seen beside another one, with that one, where their ratio is least."""
    found = {}
    for name, metric in METRICS.items():
        pairs = [
            (sample.values[name], sample.values[metric.beside])
            for sample in rounds
            if name in sample.values and sample.values.get(metric.beside)
        ]
        if pairs:
            found[name] = min(pairs, key=lambda pair: pair[0] / pair[1])
    return found


def _grown(values: Mapping[str, int], growth: Growth | None) -> dict[str, Any]:
    if growth is None:
        return {}
    return {"values": {**values, GROWTH: growth.per_request}, "growth": growth}
