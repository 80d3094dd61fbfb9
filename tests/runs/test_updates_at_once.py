"""Two updates that run at once each write their own entries, and lose none of the other's."""

import json
import subprocess
import sys

import pytest
from folders import APPS

TESTS = """
import time
from pathlib import Path

def meet(mine, other):
    Path(mine).touch()
    give_up = time.monotonic() + 60
    while not Path(other).exists():
        assert time.monotonic() < give_up
        time.sleep(0.01)

def test_one(cow_worker):
    meet("one", "two")
def test_two(cow_worker):
    meet("two", "one")
"""


@pytest.mark.parametrize("malloc", ["pymalloc", "malloc"], ids=["one profile", "two profiles"])
def test_no_entry_is_lost(pytester, monkeypatch, malloc):
    """Both have read the baseline before either writes it, since their tests meet."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini(f"[pytest]\ncowmem_app = bare:quiet\npythonpath = '{APPS}'\n")
    pytester.makepyfile(test_it=TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--cowmem"]
    runs = []
    for name, allocator in (("one", "pymalloc"), ("two", malloc)):
        monkeypatch.setenv("PYTHONMALLOC", allocator)
        runs.append(subprocess.Popen([*command, "-k", name, "--cowmem-update"], cwd=pytester.path))
    assert [run.wait() for run in runs] == [0, 0]
    profiles = json.loads((pytester.path / "cowmem-baseline.json").read_text())["profiles"]
    written = [test for profile in profiles.values() for test in profile["tests"]]
    assert sorted(written) == ["test_it.py::test_one", "test_it.py::test_two"]
    assert len(profiles) == (1 if malloc == "pymalloc" else 2)
