"""How many workers a host holds, by app. Runs in the pytest process; a function of records."""

from collections.abc import Iterator, Mapping, Sequence

from pytest_cowmem.model import capacity
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.metrics import AGED, MASTER, USS
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render
from pytest_cowmem.report.masters import by_app


def capacities(records: Sequence[Record], host: int) -> Iterator[str]:
    """A sentence for each app, of the test that leaves the fewest workers in the long run."""
    told = [record for record in records if {USS, MASTER} <= {*record.measurement.values}]
    for app, of_app in by_app(told).items():
        worst = max(of_app, key=lambda record: _lasting(record.measurement.values))
        test, measurement = worst.test.rpartition("::")[2], worst.measurement
        numbers = ", ".join(
            f"{capacity.served(host, measurement.values, own, measurement.server):,} {when}"
            for when, own in _ages(measurement)
        )
        yield f"workers of {app} in {render(host, 'bytes')}, by {test}: {numbers}"


def _ages(measurement: Measurement) -> Iterator[tuple[str, int]]:
    """(when, the bytes that a worker has for itself then), over its life."""
    values = measurement.values
    (first, private), *later = measurement.ages or ((0, 0),)
    ready = values[USS] - (later[-1][1] if later else private)
    yield f"after {first} request{'s' * (first != 1)}", ready + private
    for requests, private in later:
        yield f"after {requests:,}", ready + private
    yield "in the long run", _lasting(values)


def _lasting(values: Mapping[str, int]) -> int:
    """The bytes that a worker has for itself once it has collected in full, as each will."""
    return max(values[USS], values.get(AGED, 0))
