"""Whether an app was compiled as it was imported, so that the master has to import it again."""

import os
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from pytest_cowmem.zygote import bytecode as code

HOUR = 3_600 * 10**9  # nanoseconds


@pytest.fixture
def bytecode(tmp_path, monkeypatch):
    """The bytecode of a loaded module."""
    path = tmp_path / "late.pyc"
    path.touch()
    module = ModuleType("late")
    module.__spec__ = ModuleSpec("late", None)
    module.__spec__.cached = str(path)
    monkeypatch.setitem(sys.modules, "late", module)
    return path


def test_bytecode_written_after_the_start_is_new(bytecode):
    begun = time.time_ns() + HOUR  # later than any other module's
    assert code.since(begun)[0] is False
    os.utime(bytecode, ns=(begun + 1, begun + 1))
    assert code.since(begun)[0] is True


def test_a_files_time_may_lag_behind_the_clock(bytecode):
    begun = time.time_ns() + HOUR
    for lag, is_new in [(code._CLOCK_TICK - 1, True), (code._CLOCK_TICK, False)]:
        os.utime(bytecode, ns=(begun - lag, begun - lag))
        assert code.since(begun)[0] is is_new


def test_bytecode_that_is_gone_is_not_new(bytecode):
    bytecode.unlink()
    assert code.since(time.time_ns() + HOUR)[0] is False
