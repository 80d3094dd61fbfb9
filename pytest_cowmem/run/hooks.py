"""pytest's hooks in a measuring run. Runs in the pytest process, with --cowmem only.

Each hook calls one function, and keeps what it returns.
"""

import os
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.app import App
from pytest_cowmem.model.document import Document
from pytest_cowmem.report.terminal import summarise
from pytest_cowmem.run import collection, finish, github, in_fork, measured, plain, spread
from pytest_cowmem.run.items import has_budget, id_of, is_measured
from pytest_cowmem.run.outcomes import Outcomes, put_on, shorten
from pytest_cowmem.run.renames import Renames
from pytest_cowmem.run.session import start


class Measuring:
    """A measuring run: what it was given, what was collected, and what became of it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session = start(config)
        self.collected = collection.Collected()
        self.outcomes = Outcomes()
        self._renames = Renames(self.session, self.collected)
        self.document = Document()
        self._warned_of: set[App] = set()
        self._ours: set[str] = set()

    def zygote(self, item: pytest.Item, base: object) -> Zygote:
        """The cow_zygote of a test; `base` is what its cow_app fixture returned."""
        zygote = measured.zygote_for(self.session, item, base)
        threads = zygote.facts.threads
        if threads and zygote.app not in self._warned_of:
            self._warned_of.add(zygote.app)
            item.warn(
                pytest.PytestWarning(
                    f"threads are alive in the zygote of {zygote.app.target!r} "
                    f"and do not exist in its workers ({', '.join(threads)}): "
                    "start those that workers need in App(after_fork=...)"
                )
            )
        return zygote

    def client(self, item: pytest.Item, zygote: Zygote) -> AbstractContextManager[CowWorker]:
        """The cow_worker of a test."""
        return measured.client_for(self.session, self._renames, item, zygote)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        collection.note_report(self.collected, report)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        collection.note_item(self.collected, item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        collection.check_markers(self.collected, self.config, items)
        collection.note_whole(self.collected, self.config)
        if self.session.settings.only:
            collection.keep_measured(self.config, items, self.session.baseline)

    @pytest.hookimpl(specname="pytest_collection_modifyitems")
    def pytest_collection_modifyitems_into_groups(self, items: list[pytest.Item]) -> None:
        if spread.mode(self.config) == "loadgroup":
            spread.group(items, self.collected.measured, spread.workers(self.config))

    @pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
    def pytest_collection_modifyitems_by_app(self, items: list[pytest.Item]) -> None:
        if spread.mode(self.config) in spread.IN_ORDER:
            spread.order(items, self.collected.measured)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        collection.note_selected(self.collected, session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        spread.tell(node)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        measured.forget(self.session, item)
        plain.forget(item)
        result = yield
        plain.check_budget(item)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from plain.call(self.session, item))

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_call")
    def pytest_runtest_call_body(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from in_fork.body(item, self.session.settings.strict))

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_pyfunc_call")
    def pytest_pyfunc_call_of_all(
        self, pyfuncitem: pytest.Function
    ) -> Generator[None, object, object]:
        pyfuncitem.stash[measured.FUNCTION] = pyfuncitem.obj
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object:
        pyfuncitem.stash[measured.BODY] = True
        scenario = pyfuncitem.stash.get(measured.SCENARIO, None)
        if scenario is None or scenario.running:
            return None  # within a round pytest, or another plugin, calls the function as ever
        with self.session.progress.of(id_of(pyfuncitem)):
            measured.run(pyfuncitem, scenario, lambda: measured.call(pyfuncitem))
        return True

    @pytest.hookimpl(tryfirst=True, specname="pytest_runtest_makereport")
    def pytest_runtest_makereport_of_fork(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport | None:
        return plain.report_of_fork(item, call.when)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        put_on(report, item)
        shorten(report, item)
        if _is_ours(item):
            self._ours.add(report.nodeid)
        if report.when == "call" and not report.failed:  # as one with an xfail mark: it has no text
            self.session.causes.forget(id_of(item))
        return report

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.outcomes.begin(nodeid, location)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Not where it is made: the report of a subtest gets there later what it captured.
        if report.nodeid in self._ours:
            github.defuse(report, os.environ)
        self.outcomes.take(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        if "cowmem" in output:
            told = collection.Collected(**output["cowmem"])
            self.collected = self.collected.with_all_of(told)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output["cowmem"] = vars(self.collected)
            return
        runs = not self.config.option.collectonly
        status = session.exitstatus
        self.document = finish.document(
            self.session, self.collected, self.outcomes, status, write=runs
        )
        if runs or self.document.usage_error:
            settings = self.session.settings
            self.document = finish.report(self.document, settings)
            session.exitstatus = finish.exit_status(self.document, settings, status)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if not self.config.option.collectonly:
            write = terminalreporter.write_line
            with github.harmless(write, os.environ):
                summarise(self.document, terminalreporter)
            github.tell(self.document, write, os.environ, self.config.rootpath)


def _is_ours(item: pytest.Item) -> bool:
    """Whether a test is measured, or is to be."""
    return measured.SCENARIO in item.stash or is_measured(item) or has_budget(item)
