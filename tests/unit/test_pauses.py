"""What counts collections in a worker keeps no object, whatever the time."""

import mmap
import time
from inspect import getclosurevars

from pytest_cowmem.zygote import pauses


def recorder():
    table = pauses.table_in(mmap.mmap(-1, pauses.TABLE_BYTES))
    return table, pauses.recorder(table)


def test_no_object_is_kept_between_a_collections_start_and_end_or_after_it():
    _, record = recorder()
    kept = {name: id(value) for name, value in getclosurevars(record).nonlocals.items()}
    for phase in ("start", "stop"):
        record(phase, {"generation": 2})
        now = getclosurevars(record).nonlocals
        assert {name: id(value) for name, value in now.items()} == kept


def test_times_are_floats_since_what_an_integer_takes_depends_on_the_time(monkeypatch):
    for clock in ("thread_time_ns", "perf_counter_ns", "process_time_ns"):
        monkeypatch.delattr(time, clock)
    table, record = recorder()
    record("start", {})
    record("stop", {"generation": 1})
    assert table[len(pauses.COLUMNS)] == 1
