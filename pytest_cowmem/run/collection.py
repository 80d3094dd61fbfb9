"""What is decided of the collected tests before any runs. Runs in the pytest process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import TypeVar

import pytest

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.app import App
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.errors import UsageError, wrong_and_right
from pytest_cowmem.model.metrics import WORKERS
from pytest_cowmem.run.items import app_of, budget_of, has_budget, id_of, is_measured, keep_id

Value = TypeVar("Value")

_UNNAMED = App("placeholder:app")  # for what the cow_app fixture will return


@dataclass
class Collected:
    """What was collected: each file's tests, and what is known of the files.

    `measured` names the tests that use the worker, and `plain` those that have a budget without
    one. `whole` names the files none of whose tests was
    left out, and `broken` those a part of which could not be collected. `selected` names the tests
    that are to run; None where no process came to know. `usage_error` is the first invalid marker,
    where an xdist worker has to carry it.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    selected: list[str] | None = None
    usage_error: str = ""

    @property
    def tests(self) -> list[str]:
        """The tests of all files, in the order they were collected."""
        return [test for tests in self.files.values() for test in tests]

    def in_order(self, values: Iterable[Value], test: Callable[[Value], str]) -> list[Value]:
        """What was learnt of tests, in the order in which these were collected.

        pytest-xdist's workers run them in others. `test` gives the test of a value.
        """
        places = {name: at for at, name in enumerate(self.tests)}
        return sorted(values, key=lambda value: places.get(test(value), len(places)))

    def with_all_of(self, other: "Collected") -> "Collected":
        """What this process collected and what another one did.

        Under `--dist each` another Python, or another tree, may have other tests.
        """
        files = {
            file: _both(self.files.get(file, ()), other.files.get(file, ()))
            for file in (*self.files, *other.files)
        }
        return Collected(
            files=files,
            measured=_both(self.measured, other.measured),
            plain=_both(self.plain, other.plain),
            whole=[file for file in files if self._is_whole(file) and other._is_whole(file)],
            broken=_both(self.broken, other.broken),
            selected=_both(self.selected or (), other.selected or ()),
            usage_error=self.usage_error or other.usage_error,
        )

    def _is_whole(self, file: str) -> bool:
        return file in self.whole or not (file in self.files or file in self.broken)


def _both(some: Iterable[str], others: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*some, *others)))


def check_markers(collected: Collected, config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest.UsageError for the first invalid marker; an xdist worker keeps its text, and stops."""
    for item in items:
        try:
            refuse_hostless(budget_of(item), config)
            app_of(item, _UNNAMED)
        except UsageError as error:
            text = f"{item.nodeid}: {error}"
            if not hasattr(config, "workerinput"):
                raise pytest.UsageError(text) from None
            collected.usage_error = text
            items.clear()
            return


def refuse_hostless(budget: Budget, config: pytest.Config) -> None:
    """UsageError for a budget of workers where no setting says what their host has."""
    if WORKERS in budget.limits and not config.getini("cowmem_host_memory"):
        raise wrong_and_right(
            "how many workers a host holds depends on its memory",
            f"mem_budget(workers={budget.limits[WORKERS]}) alone",
            'cowmem_host_memory = "4 GiB" in the pytest configuration too',
        )


def note_report(collected: Collected, report: pytest.CollectReport) -> None:
    """Keep that a file was collected, tests or no tests, or that a part of it could not be."""
    if not report.passed:
        collected.broken.append(_file(report.nodeid))
    elif report.nodeid.endswith(".py"):
        collected.files.setdefault(report.nodeid, [])


def note_item(collected: Collected, item: pytest.Item) -> None:
    """Keep a test, before a conftest or another plugin can leave it out."""
    keep_id(item)
    collected.files.setdefault(_file(item.nodeid), []).append(item.nodeid)
    if is_measured(item):
        collected.measured.append(item.nodeid)
    elif has_budget(item):
        collected.plain.append(item.nodeid)


def note_whole(collected: Collected, config: pytest.Config) -> None:
    """Keep which files were collected whole: only they may hold stale entries."""
    folder = config.invocation_params.dir
    picked = {(folder / _file(argument)).resolve() for argument in config.args if "::" in argument}
    # --lf leaves out tests before they are collected. With --pyargs an argument names a module.
    if config.getoption("lf", False) or (picked and config.getoption("pyargs")):
        return
    for file in collected.files:
        if file not in collected.broken and (config.rootpath / file).resolve() not in picked:
            collected.whole.append(file)


def note_selected(collected: Collected, items: list[pytest.Item]) -> None:
    """Keep which tests are to run."""
    collected.selected = [id_of(item) for item in items]


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def keep_measured(config: pytest.Config, items: list[pytest.Item], baseline: Baseline) -> None:
    """Deselect the tests that measure nothing; one that has an entry or a budget measures."""
    recorded = {test for profile in baseline.profiles.values() for test in profile.tests}
    measures = [is_measured(it) or has_budget(it) or id_of(it) in recorded for it in items]
    others = [*compress(items, map(not_, measures))]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = compress(items, measures)
