"""What is decided of the collected tests before any runs. Runs in the pytest process."""

from dataclasses import dataclass, field
from itertools import compress
from operator import not_

import pytest

from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.app import App
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.errors import UsageError, wrong_and_right
from pytest_cowmem.model.metrics import WORKERS
from pytest_cowmem.run.items import app_of, budget_of, has_budget, id_of, is_measured, keep_id

_UNNAMED = App("placeholder:app")  # for what the cow_app fixture will return


@dataclass
class Collected:
    """What was collected: each file's tests, and what is known of the files.

    `measured` names the tests that use the worker, and `plain` those that have a budget without
    one. `whole` names the files none of whose tests was
    left out, and `broken` those a part of which could not be collected. `usage_error` is the first
    invalid marker, where an xdist worker has to carry it.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    usage_error: str = ""

    @property
    def tests(self) -> list[str]:
        """The tests of all files, in the order they were collected."""
        return [test for tests in self.files.values() for test in tests]


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
