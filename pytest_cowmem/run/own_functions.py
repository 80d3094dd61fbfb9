"""Tests that have workers call functions of their own module. Runs in the pytest process.

The zygote imports their module then, after the app. A worker that did would import pytest too.
"""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

from pytest_cowmem.model.app import App

_CALLS = {"call", "call_burst"}


def with_own_functions(app: App, item: pytest.Item) -> App:
    """The app; with the test's module to load, where the test has it call a function of that."""
    module = getattr(item, "module", None)
    if not isinstance(module, ModuleType) or not module.__file__ or not _calls(item, module):
        return app
    folder = Path(module.__file__).parents[module.__name__.count(".")]
    return replace(app, functions=(module.__name__, str(folder)))


def _calls(item: pytest.Item, module: ModuleType) -> bool:
    """Whether a test, or a function of its module that it names, makes a call, and names another.

    A parameter names a function as well.
    """
    test = inspect.unwrap(getattr(item, "obj"))  # noqa: B009
    callspec = getattr(item, "callspec", None)
    given = list(callspec.params.values()) if callspec else []
    own = {value for value in given if _is_of(value, module)}
    names: set[str] = set()
    ahead = {test, *own}
    while ahead:
        code = getattr(ahead.pop(), "__code__", None)  # a class has none
        found = set(_names(code) if code else ()) - names
        names |= found
        more = {value for name in found if _is_of(value := vars(module).get(name), module)}
        ahead |= more
        own |= more
    return bool(own and names & _CALLS)


def _is_of(value: object, module: ModuleType) -> bool:
    """Whether a value is a function or a class that a module defines."""
    return isinstance(value, (FunctionType, type)) and value.__module__ == module.__name__


def _names(code: CodeType) -> Iterator[str]:
    """The names of globals and attributes in a function's code, and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
