"""Records made by hand: what a measured test would have left."""

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Conditions, Entry, Environment
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.record import Record

MIB = 2**20
VALUES = {
    "private": 5 * MIB,
    "copied": 4 * MIB,
    "fresh": MIB,
    "gc_collections": 3,
    "gc_pause": 1_500_000,
}
ENVIRONMENT: Environment = {"aslr": "off", "thp": "madvise", "gc_speed": 2_000_000}
CONDITIONS = Conditions("linux-x", ENVIRONMENT, "source", "default", "here")


FACTS = Facts(
    gc_speed=2_000_000,
    layout="here",
    fixed_addresses=True,
    gc_enabled=True,
    gc_thresholds=(700, 10, 10),
    gc_frozen=0,
    ballast=0,
    threads=(),
    harness=frozenset(),
    modules=frozenset(),
)


def entry(**metrics):
    """What the baseline has of a test."""
    return Entry(metrics, "source", "default", "here")


def record(
    test="tests/test_memory.py::test_feed", values=VALUES, limits=None, accepted=None, **changes
):
    """A test that measured `values`, as a gate with `limits` and the baseline's figures has it."""
    measurement = Measurement(values, dict.fromkeys(values, 0), ("late",), 10, 3)
    budget = Budget(limits or {})
    old = entry(**accepted) if accepted else None
    tolerances = gated({}, budget)
    ruling = Gate(CONDITIONS, budget, tolerances, old).judge(measurement)
    return Record(
        **{
            "test": test,
            "profile": CONDITIONS.profile,
            "environment": ENVIRONMENT,
            "app": "shop:app",
            "size": 40 * MIB,
            "measurement": measurement,
            "judgments": ruling.judgments,
            "verdict": ruling.verdict,
            "failed": ruling.failed,
            "notes": ruling.notes,
            "entry": Entry.of(measurement, CONDITIONS, set(values)),
            "accepted": old,
            "tolerances": tolerances,
            **changes,
        }
    )
