"""pytest's hooks, and nothing else: each calls one named function.

Runs in the pytest process, in every run; without --cowmem it imports no more than this.
"""

from collections.abc import Generator
from typing import Any

import pytest

from pytest_cowmem.fixtures import cow_app, cow_worker, cow_zygote
from pytest_cowmem.options import add_options, enabled, refuse_idle_options

__all__ = ["cow_app", "cow_worker", "cow_zygote"]

MARKERS = (
    "mem_budget(private=..., growth=..., rounds=..., tolerance=...): limits for what a forked worker may cost, by metric",
    "cow_app(target, gc=..., env=..., pythonpath=..., prepare=..., after_fork=...): the app to preload for this test, class or module",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    refuse_idle_options(config)
    if enabled(config):
        from pytest_cowmem.run import session

        session.start(config)
        config.pluginmanager.register(Measuring(config), "cowmem-measuring")


class Measuring:
    """The hooks of a run with --cowmem."""

    def __init__(self, config: pytest.Config) -> None:
        from pytest_cowmem.run import session

        self.config = config
        self.state = session.of(config)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        from pytest_cowmem.run import collection

        collection.note_file(self.state, report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        from pytest_cowmem.run import collection

        collection.check_markers(self.state, self.config, items)
        collection.note_collected(self.state, self.config, items)
        if self.state.settings.only:
            collection.keep_measured(self.config, items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        from pytest_cowmem.run import collection

        collection.refuse_unmeasured_budget(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object:
        from pytest_cowmem.run import session

        scenario = pyfuncitem.stash.get(session.SCENARIO, None)
        if (
            scenario is None or scenario.running
        ):  # within a round pytest, or another plugin, calls the function as ever
            return None
        session.run(
            pyfuncitem, scenario, lambda: pyfuncitem.ihook.pytest_pyfunc_call(pyfuncitem=pyfuncitem)
        )
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        from pytest_cowmem.run import session

        report = yield
        record = item.stash.get(session.RECORD, None)
        if call.when == "call" and record is not None:
            vars(report)["cowmem"] = (
                record.to_dict()
            )  # xdist carries a report's attributes to the controller
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        from pytest_cowmem.run import session

        session.note_report(self.state, report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        from pytest_cowmem.run import session

        session.note_worker(self.state, getattr(node, "workeroutput", {}))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from pytest_cowmem.run import finish

        finish.finish(self.state, session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.config.option.collectonly:
            return
        from pytest_cowmem.report import terminal

        terminal.summarise(self.state, terminalreporter)
