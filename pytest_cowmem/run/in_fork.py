"""The call phase of a plain test: the body between two readings, and what is kept of it.

Runs in the fork.
"""

import unittest
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest

from pytest_cowmem.host.pytest_process import Fork
from pytest_cowmem.run.carried import Carried, covered, failed_subtests, portable, serial, travels
from pytest_cowmem.run.measured import LEFT, left_by, not_allowed

FORK = pytest.StashKey[Fork]()
LOGGED = pytest.StashKey[list[pytest.TestReport]]()

_LEAVES = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)


class _Logged:
    """Keeps reports that are logged in the fork, as those of subtests, for all other plugins."""

    def __init__(self, reports: list[pytest.TestReport]) -> None:
        self.reports = reports

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


def call(item: pytest.Item) -> Carried:
    """Run the call phase of a test; what is to be handed back."""
    config, logged = item.config, item.stash.setdefault(LOGGED, [])
    _keep_logged(config, logged)
    sections = len(item._report_sections)
    ending = (KeyboardInterrupt, pytest.exit.Exception)
    warned: list[tuple[Any, ...]] = []
    with _noting_warnings(warned):
        try:
            found = pytest.CallInfo.from_call(
                lambda: item.ihook.pytest_runtest_call(item=item), "call", reraise=ending
            )
            report = item.ihook.pytest_runtest_makereport(item=item, call=found)
        except ending as error:
            return Carried(ends=portable(error))
    return Carried(
        report=serial(config, report),
        logged=[serial(config, each) for each in logged],
        sections=item._report_sections[sections:],
        warned=warned,
        raised=portable(found.excinfo.value) if found.excinfo else None,
        left=item.stash[LEFT],
        covered=covered(),
        failed_subtests=failed_subtests(item),
    )


def _keep_logged(config: pytest.Config, reports: list[pytest.TestReport]) -> None:
    """Have no plugin but one of ours hear of reports: it would print here, and again in pytest."""
    hook = config.hook.pytest_runtest_logreport
    for implementation in [*hook.get_hookimpls()]:
        hook._remove_plugin(implementation.plugin)
    config.pluginmanager.register(_Logged(reports))


@contextmanager
def _noting_warnings(noted: list[tuple[Any, ...]]) -> Iterator[None]:
    """Note the warnings that would reach pytest, or a fixture as recwarn; they do all the same."""
    show = warnings.showwarning

    def note(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        noted.append((_portable_warning(message), category, filename, lineno))
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = note
    try:
        yield
    finally:
        warnings.showwarning = show


def _portable_warning(message: Warning | str) -> Warning | str:
    return message if travels(message) else str(message)


def body(item: pytest.Item, strict: bool) -> Generator[None, object, object]:
    """The test's body, between the two readings. It is inside all other wrappers."""
    fork = item.stash.get(FORK, None)
    if fork is None or fork.begun:
        return (yield)
    fork.begin()
    passed, problem, result = False, "", None
    try:
        result = yield
        failed = any(logged.failed for logged in item.stash[LOGGED])
        passed = not (failed or _of_test_case(item))
    except _LEAVES as error:
        problem = _left(item, error, strict)
        if not problem:
            raise
    finally:
        problem = fork.end(passed) or problem
    for caught in _of_test_case(item):
        if isinstance(caught.value, _LEAVES):
            problem = _left(item, caught.value, strict)
    if problem:
        _of_test_case(item).clear()
        pytest.fail(problem, pytrace=False)
    return result


def _of_test_case(item: pytest.Item) -> list[pytest.ExceptionInfo[BaseException]]:
    """What a method of a TestCase has failed with, or left by: it raises nothing here."""
    return getattr(item, "_excinfo", None) or []


def _left(item: pytest.Item, error: BaseException, strict: bool) -> str:
    """Note how a body left without being measured; why the test is to fail for that, or ""."""
    item.stash[LEFT] = left_by(error)
    return not_allowed(item.stash[LEFT], error) if strict else ""
