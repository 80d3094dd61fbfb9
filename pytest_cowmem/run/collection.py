"""What is decided of the collected tests before any runs. Runs in the pytest process."""

from dataclasses import dataclass, field

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.run.items import app_of, budget_of, is_measured, keep_id

_UNNAMED = App("placeholder:app")  # for what the cow_app fixture will return


@dataclass
class Collected:
    """What was collected: each test file's measured tests, and the files collected whole.

    `usage_error` is the first invalid marker, where an xdist worker has to carry it.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    usage_error: str = ""

    @property
    def tests(self) -> set[str]:
        """The measured tests of all files."""
        return {test for tests in self.files.values() for test in tests}


def check_markers(collected: Collected, config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest.UsageError for the first invalid marker; an xdist worker keeps its text, and stops."""
    for item in items:
        try:
            budget_of(item)
            app_of(item, _UNNAMED)
        except UsageError as error:
            text = f"{item.nodeid}: {error}"
            if not hasattr(config, "workerinput"):
                raise pytest.UsageError(text) from None
            collected.usage_error = text
            items.clear()
            return


def note_file(collected: Collected, report: pytest.CollectReport) -> None:
    """Keep that a file was collected, tests or no tests."""
    if report.passed and report.nodeid.endswith(".py"):
        collected.files.setdefault(report.nodeid, [])


def note_collected(collected: Collected, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep which measured tests each file has, and the files that may hold stale entries."""
    for item in items:
        keep_id(item)
        tests = collected.files.setdefault(item.nodeid.partition("::")[0], [])
        if is_measured(item):
            tests.append(item.nodeid)
    folder = config.invocation_params.dir
    named = [argument.partition("::")[0] for argument in config.args if "::" in argument]
    picked = {(folder / path).resolve() for path in named}
    # --lf leaves out tests before they are collected. With --pyargs an argument names a module.
    if not config.getoption("lf", False) and not (picked and config.getoption("pyargs")):
        for file in collected.files:
            if (config.rootpath / file).resolve() not in picked:
                collected.whole.append(file)


def keep_measured(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that measure nothing."""
    others = [item for item in items if not is_measured(item)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if is_measured(item)]


def refuse_unmeasured_budget(item: pytest.Item) -> None:
    """Fail a test whose budget is never measured, which would look kept."""
    if item.get_closest_marker("mem_budget") and not is_measured(item):
        pytest.fail(
            "mem_budget holds what a forked worker costs, and this test forks none: "
            "let it use the cow_worker fixture, or take the marker off",
            pytrace=False,
        )
