"""What one round measured, and the summary over rounds. Runs in the pytest process; no I/O."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_cowmem.model.metrics import METRICS, PRIVATE
from pytest_cowmem.model.observation import Observation


@dataclass(frozen=True)
class Sample:
    """One round: values by metric, the modules imported late, and the requests made.

    Values are bytes, nanoseconds or counts. A metric that could not be read is absent.
    `children_ended` says whether a child of the worker ended, whose memory is in no value.
    """

    values: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int
    children_ended: bool = False

    @classmethod
    def of(cls, seen: Observation) -> "Sample":
        """All metrics of one round."""
        amounts = {name: metric.read(seen) for name, metric in METRICS.items()}
        values = {name: amount for name, amount in amounts.items() if amount is not None}
        return cls(values, seen.imports, seen.requests, seen.children_ended)


@dataclass(frozen=True)
class Measurement:
    """The summary over rounds.

    `spread` is the distance from the value within which three of four rounds lie; for times, half
    of them.
    """

    values: Mapping[str, int]
    spread: Mapping[str, int]
    imports: tuple[str, ...]
    requests: int
    rounds: int
    children_ended: bool = False

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Measurement":
        """The median of bytes and counts, the minimum of times; what one round lacks is left out.

        One round in four may be far off without counting as noise: the first after a checkout may
        compile what a request imports. Every other round may be far off in times, to which other
        work on the machine only adds.
        """
        values, spread = {}, {}
        for name, metric in METRICS.items():
            amounts = [sample.values[name] for sample in samples if name in sample.values]
            if len(amounts) == len(samples):
                value = min(amounts) if metric.least else statistics.median_low(amounts)
                distances = sorted(abs(amount - value) for amount in amounts)
                share = 0.5 if metric.least else 0.75
                values[name] = value
                spread[name] = distances[math.ceil(len(amounts) * share) - 1]
        imports = sorted({name for sample in samples for name in sample.imports})
        return cls(
            values,
            spread,
            tuple(imports),
            samples[-1].requests,
            len(samples),
            any(sample.children_ended for sample in samples),
        )

    @property
    def private(self) -> int:
        """The metric `private`, which every measurement has, in bytes."""
        return self.values[PRIVATE]

    def with_private(self, private: int) -> "Measurement":
        """The same with another amount of private bytes, and no spread."""
        return replace(self, values={**self.values, PRIVATE: private}, spread={})
