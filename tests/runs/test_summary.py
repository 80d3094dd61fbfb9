"""The summary: one line a test at any width, nothing wrapped, and what is missing said aloud."""

import pytest

from pytest_cowmem.judge.baseline import Entry
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.verdict import gravest, judge, tolerances_of
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.record import Proof, Record
from pytest_cowmem.report import failure, terminal

MIB = 2**20
VALUES = {
    "private": 5 * MIB,
    "copied": 4 * MIB,
    "fresh": MIB,
    "gc_collections": 3,
    "gc_pause": 1_500_000,
}


def record(test="tests/test_memory.py::test_feed", values=VALUES, limits=None, known=None):
    measurement = Measurement(values, dict.fromkeys(values, 0), ("late",), 10, 3)
    entry = Entry(known, {}, 3, "source", "default", "here") if known else None
    budget = Budget(limits or {})
    judgments = judge(measurement, budget, entry, tolerances_of(budget, {}), "here")
    return Record(
        test=test,
        profile="linux-x",
        environment={"aslr": "off", "thp": "madvise", "gc_speed": 2_000_000},
        app="shop:app",
        size=40 * MIB,
        measurement=measurement,
        judgments=tuple(judgments),
        verdict=gravest(judgments, entry, True),
        entry=Entry(values, {}, 3, "source", "default", "here"),
        failed=False,
        notes=("a note",),
        proofs=(Proof("read", 65536, 70000, True),),
    )


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    records = [
        record(limits={"private": 6 * MIB}),
        record("tests/test_x.py::test_" + "long_" * 30, known={"private": MIB}),
    ]
    lines = terminal.rows(records, width)
    assert len(lines) == 2 + len(records)
    assert max(map(len, lines)) <= width
    assert "regressed" in lines[-1]
    assert "5.00 MiB" in lines[-1]


def test_all_columns_where_there_is_room():
    header, _, line = terminal.rows(
        [record(limits={"private": 6 * MIB}, known=VALUES | {"private": 5 * MIB - 4096})], 200
    )
    assert header.split() == [
        "test",
        "private",
        "change",
        "of",
        "budget",
        "copied",
        "fresh",
        "gc",
        "pauses",
        "verdict",
    ]
    assert (
        " ".join(line.split())
        == "test_memory::test_feed 5.00 MiB +4.00 KiB 83% 4.00 MiB 1.00 MiB 3 to 1.50 ms ok"
    )


def test_a_record_goes_through_xdists_channel_unchanged():
    execnet = pytest.importorskip("execnet")
    before = record(limits={"growth": 64}, known={"private": MIB})
    assert Record.from_dict(execnet.loads(execnet.dumps(before.to_dict()))) == before


def test_the_failure_shows_excess_limit_and_measured():
    text = failure.explain_failure(record(limits={"private": 4 * MIB}, known={"private": MIB}))
    assert "private is over budget by 1.00 MiB: 5.00 MiB of 4.00 MiB" in text
    row = next(line for line in text.splitlines() if line.startswith("private  "))
    assert "imports is over budget by 1: 1 of 0 (late)" in failure.explain_failure(
        record(values={**VALUES, "imports": 1}, limits={"imports": 0})
    )
    assert row.split() == [
        "private",
        "5.00",
        "MiB",
        "4.00",
        "MiB",
        "1.00",
        "MiB",
        "+4.00",
        "MiB",
        "over",
        "budget",
    ]
