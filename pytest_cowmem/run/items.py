"""What is read of a pytest item. Runs in the pytest process."""

import hashlib
import inspect
import re
import unittest
from collections.abc import Collection
from functools import cache
from types import CodeType
from typing import Any

import pytest

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.app import App, as_app
from pytest_cowmem.model.errors import UsageError

_TEST_ID = pytest.StashKey[str]()


def keep_id(item: pytest.Item) -> None:
    """Keep the id that a test was collected with, for `id_of`."""
    item.stash[_TEST_ID] = item.nodeid


def id_of(item: pytest.Item) -> str:
    """The id that a test was collected with.

    Under `--dist loadgroup` pytest-xdist then appends "@group" to `item.nodeid`.
    """
    return item.stash.get(_TEST_ID, item.nodeid)


def place_of(location: tuple[str, int | None, str]) -> str:
    """The `path:line` of a test, from pytest's location, whose lines begin at 0."""
    path, line, _ = location
    return path if line is None else f"{path}:{line + 1}"


def is_measured(item: pytest.Item) -> bool:
    """Whether a test uses the worker, as far as that can be seen before it is set up.

    Seen are a fixture's arguments, strings in its code, as in `request.getfixturevalue("client")`,
    and parameters that name a fixture. A name that is put together is not.
    """
    names: Collection[str] = getattr(item, "fixturenames", ())
    callspec = getattr(item, "callspec", None)
    parameters = callspec.params.values() if callspec else ()
    ahead = {*names, *(value for value in parameters if isinstance(value, str))}
    reached: set[str] = set()
    while ahead and "cow_worker" not in ahead:
        reached |= ahead
        ahead = {name for known in ahead for name in _asks_for(item, known)} - reached
    return "cow_worker" in ahead


def _asks_for(item: pytest.Item, name: str) -> set[str]:
    """The fixtures that the fixture `name` takes as arguments, or may ask for by name."""
    node: Any = item if pytest.version_tuple >= (8, 1) else item.nodeid
    asked: set[str] = set()
    for definition in item.session._fixturemanager.getfixturedefs(name, node) or ():
        code = getattr(inspect.unwrap(definition.func), "__code__", None)
        asked.update(definition.argnames, _strings(code) if code else ())
    return asked


@cache
def _strings(code: CodeType) -> frozenset[str]:
    """The strings in a function's code, and in the functions within it."""
    strings = {constant for constant in code.co_consts if isinstance(constant, str)}
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(strings.union(*map(_strings, inner)))


def app_of(item: pytest.Item, base: object) -> App:
    """What the cow_app fixture returned, varied by the test's markers, the farthest first."""
    markers = list(item.iter_markers("cow_app"))
    named = any(marker.args for marker in markers)
    app = App("replaced:app") if base is None and named else as_app(base)
    for marker in reversed(markers):
        app = app.varied(marker.args, marker.kwargs)
    return app


def has_budget(item: pytest.Item) -> bool:
    """Whether a test has a mem_budget marker."""
    return item.get_closest_marker("mem_budget") is not None


def budget_of(item: pytest.Item) -> Budget:
    """The budget of a test, from its mem_budget markers."""
    markers = item.iter_markers("mem_budget")
    return Budget.from_markers((marker.args, marker.kwargs) for marker in markers)


def source_hash(item: pytest.Item, app: App) -> str:
    """A short hash of the test's source and app, which changes with the scenario.

    The test's name does not count, so that a renamed test is known again.
    """
    name = getattr(item, "originalname", item.name)
    try:
        source = inspect.getsource(getattr(item, "obj"))  # noqa: B009
    except (OSError, TypeError, AttributeError):
        source = name
    nameless = re.sub(rf"\bdef {re.escape(name)}\b", "def test", source)
    return hashlib.sha256(f"{app.label}\n{nameless}".encode()).hexdigest()[:16]


def refuse_test_case(item: pytest.Item) -> None:
    """UsageError for a method of a unittest.TestCase, which can be run once only."""
    if issubclass(getattr(item, "cls", None) or object, unittest.TestCase):
        raise UsageError(
            f"{item.name} is a method of a unittest.TestCase, which cannot be measured: "
            "write it as a function, or in a plain class"
        )
