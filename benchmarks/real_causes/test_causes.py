"""The first test of the project's own suite, again and again, with a cause planted in each."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import test_memory

from pytest_cowmem import App

REQUESTS = 100
CAUSES = """
nothing read cache late collect leak regex handlers arrays registry lru closure cycles thread
template
"""
first = next(name for name in vars(test_memory) if name.startswith("test_"))


def scenario(worker):
    """Make the test's request, or the one that performs a task of Celery."""
    if Path("tasks.py").exists():
        assert worker.get("/").text == "5"
    else:
        inspect.unwrap(getattr(test_memory, first))(worker)


@pytest.fixture(scope="session")
def cow_app(cow_app):
    app = cow_app if isinstance(cow_app, App) else App(cow_app)
    return replace(app, target="planted:app")


@pytest.mark.parametrize("cause", CAUSES.split())
def test_cause(cow_worker, cause):
    cow_worker.headers["X-Cause"] = cause
    for _ in range(REQUESTS):
        scenario(cow_worker)
