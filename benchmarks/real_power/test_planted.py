"""The first test of the project's own suite, with something planted in its worker.

ladder.json has the amounts of each kind; the first of them is nothing.
"""

import inspect
import json
from dataclasses import replace
from pathlib import Path

import pytest
import test_memory

from pytest_cowmem import App

LADDERS = json.loads(Path(__file__).with_name("ladder.json").read_text())
NAMES = [name for name in vars(test_memory) if name.startswith("test_")]
scenario = inspect.unwrap(getattr(test_memory, NAMES[0]))
LEAKING = 50  # requests


def steps(kind):
    """Give the amounts of one kind; what a collection is to write to is made before the fork."""
    for step, amount in enumerate(LADDERS.get(kind, [])):
        collected = {"PLANTED_COLLECTED": f"{amount:07}"} if kind == "collect" else {}
        marks = [pytest.mark.cow_app(env={**COMMON, **collected})]
        yield pytest.param(amount, id=str(step), marks=marks)


COMMON = {"PLANTED_PREPARE": "site_wsgi:fill"} if Path("site_wsgi.py").exists() else {}


@pytest.fixture(scope="session")
def cow_app(cow_app):
    app = cow_app if isinstance(cow_app, App) else App(cow_app)
    return replace(app, target="planted:app", prepare="planted:prepare")


@pytest.mark.parametrize("amount", steps("read"))
def test_read(cow_worker, amount):
    scenario(cow_worker)
    cow_worker.call("planted:read", amount)


@pytest.mark.parametrize("amount", steps("allocate"))
def test_allocate(cow_worker, amount):
    scenario(cow_worker)
    cow_worker.call("planted:allocate", amount)


@pytest.mark.parametrize("amount", steps("collect"))
def test_collect(cow_worker, amount):
    scenario(cow_worker)
    cow_worker.call("planted:collect", amount)


@pytest.mark.parametrize("amount", steps("collect_all"))
def test_collect_all(cow_worker, amount):
    scenario(cow_worker)
    cow_worker.call("planted:collect_all", amount)


@pytest.mark.parametrize("amount", steps("leak"))
def test_leak(cow_worker, amount):
    cow_worker.call("planted:leak", amount)
    for _ in range(LEAKING):
        scenario(cow_worker)


@pytest.mark.parametrize("module", steps("late"))
def test_late(cow_worker, module):
    scenario(cow_worker)
    cow_worker.call("planted:late", module)
