"""The first test of the project's own suite, again and again, with a cause planted in its worker."""

import inspect
from dataclasses import replace

import pytest
import test_memory

from pytest_cowmem import App

REQUESTS = 100
CAUSES = """
nothing read cache late collect leak regex handlers arrays registry lru closure cycles thread
template
"""
first = next(name for name in vars(test_memory) if name.startswith("test_"))
scenario = inspect.unwrap(getattr(test_memory, first))


@pytest.fixture(scope="session")
def cow_app(cow_app):
    app = cow_app if isinstance(cow_app, App) else App(cow_app)
    return replace(app, target="planted:app")


@pytest.mark.parametrize("cause", CAUSES.split())
def test_cause(cow_worker, cause):
    cow_worker.call("planted:choose", cause)
    for _ in range(REQUESTS):
        scenario(cow_worker)
