"""What is decided before any test runs: markers that make sense, what was collected, what is left out. Runs in the pytest process."""

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.run.session import Session, app_of, budget_of

_UNNAMED = App("placeholder:app")  # for what the cow_app fixture will return


def is_measured(item: pytest.Item) -> bool:
    """Whether a test uses the worker."""
    return "cow_worker" in getattr(item, "fixturenames", ())


def check_markers(state: Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest.UsageError for the first marker that cannot be meant; in an xdist worker, which has no way to raise one, it is kept."""
    for item in items:
        try:
            budget_of(item)
            app_of(item, _UNNAMED)
        except UsageError as error:
            told = f"{item.nodeid}: {error}"
            if not hasattr(config, "workerinput"):
                raise pytest.UsageError(told) from None
            state.usage_error = told
            items.clear()
            return


def note_file(state: Session, report: pytest.CollectReport) -> None:
    """Keep that a file was collected, tests or no tests."""
    if report.passed and report.nodeid.endswith(".py"):
        state.collected.setdefault(report.nodeid, [])


def note_collected(state: Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep which measured tests each file has, and which files were collected whole: an entry without a test in one of those is stale."""
    for item in items:
        state.collected.setdefault(item.nodeid.partition("::")[0], []).extend(
            [item.nodeid] if is_measured(item) else []
        )
    picked = {
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for argument in config.args
        if "::" in argument
    }
    # --lf leaves out tests before they are collected, and with --pyargs an argument names a module
    unknown = config.getoption("lf", False) or (picked and config.getoption("pyargs"))
    state.whole = (
        []
        if unknown
        else [file for file in state.collected if (config.rootpath / file).resolve() not in picked]
    )


def keep_measured(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that measure nothing."""
    others = [item for item in items if not is_measured(item)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if is_measured(item)]


def refuse_unmeasured_budget(item: pytest.Item) -> None:
    """A budget nobody measures must not look kept."""
    if item.get_closest_marker("mem_budget") and not is_measured(item):
        pytest.fail(
            "mem_budget holds what a forked worker costs, and this test forks none: "
            "let it use the cow_worker fixture, or take the marker off",
            pytrace=False,
        )
