"""What a measuring run holds between its hooks, and how a test gets its scenario. Runs in the pytest process."""

import hashlib
import inspect
import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_cowmem.judge import baseline
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.model.app import App, as_app
from pytest_cowmem.model.errors import CowmemError, UsageError
from pytest_cowmem.run.settings import Settings

if TYPE_CHECKING:
    from pytest_cowmem.host.client import CowWorker
    from pytest_cowmem.host.handle import Zygote, Zygotes
    from pytest_cowmem.model.record import Record
    from pytest_cowmem.run.scenario import Scenario


@dataclass
class Session:
    """The state of a measuring run.

    `collected` maps each collected test file to its measured tests, `whole` names the files of which no test was left out.
    `stale` holds (profile, test) of entries without a test, `changes` a line for each change to the baseline file, `written` their tests,
    `unfit` the tests that failed after they were measured, which the baseline is not to learn.
    """

    settings: Settings
    baseline: baseline.Baseline
    zygotes: "Zygotes"
    records: "list[Record]" = field(default_factory=list)
    collected: dict[str, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    stale: list[tuple[str, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    unfit: set[str] = field(default_factory=set)
    write_failed: bool = False
    usage_error: str = ""


SESSION = pytest.StashKey[Session]()
SCENARIO = pytest.StashKey["Scenario"]()
RECORD = pytest.StashKey["Record"]()


def start(config: pytest.Config) -> None:
    """Read settings and baseline, once a process. pytest.UsageError when either cannot be understood."""
    from pytest_cowmem.host.handle import Zygotes

    try:
        settings = Settings.from_config(config)
        if settings.update is not None:
            baseline.check_writable(settings.baseline)
        found = baseline.load(settings.baseline)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    zygotes = Zygotes(settings.rootdir, settings.path, settings.timeout)
    config.stash[SESSION] = Session(settings, found, zygotes)
    config.add_cleanup(zygotes.close)


def of(config: pytest.Config) -> Session:
    """The run's state; only where it measures."""
    return config.stash[SESSION]


def refuse_test_case(item: pytest.Item) -> None:
    """UsageError for a method of a unittest.TestCase: unittest calls it, once, and a scenario is run in rounds."""
    if issubclass(getattr(item, "cls", None) or object, unittest.TestCase):
        raise UsageError(
            f"{item.name} is a method of a unittest.TestCase, which cannot be measured: write it as a function, or in a plain class"
        )


def app_of(item: pytest.Item, base: object) -> App:
    """The app of a test: what the cow_app fixture returned, varied by the test's cow_app markers, the farthest first."""
    markers = list(item.iter_markers("cow_app"))
    app = (
        App("replaced:app")
        if base is None and any(marker.args for marker in markers)
        else as_app(base)
    )
    for marker in reversed(markers):
        app = app.varied(marker.args, marker.kwargs)
    return app


def budget_of(item: pytest.Item) -> Budget:
    """The budget of a test, from its mem_budget markers."""
    return Budget.from_markers(
        (marker.args, marker.kwargs) for marker in item.iter_markers("mem_budget")
    )


def prepare(item: pytest.Item, client: "CowWorker", zygote: "Zygote") -> None:
    """Give a test its scenario; its body is run in rounds from then on."""
    from pytest_cowmem.run.scenario import Scenario

    found = of(item.config)
    item.stash[SCENARIO] = Scenario(
        item.nodeid,
        source_hash(item),
        client,
        zygote,
        budget_of(item),
        found.settings,
        found.baseline,
    )


def run(item: pytest.Function, scenario: "Scenario", body: Callable[[], object]) -> None:
    """Measure a test's body, and fail the test where budget or baseline say so."""
    from pytest_cowmem.report.failure import explain_failure

    problem = None
    try:
        record = scenario.measure(body)
    except CowmemError as error:
        if end_at_the_test(error.__traceback__, item):
            raise
        problem = str(error)
    if problem is not None:
        pytest.fail(problem, pytrace=False)
    if scenario.settings.prove and not record.failed:
        record = scenario.prove(body, record)
    if scenario.calls_for_explanation(record):
        record = scenario.explain(body, record)
    item.stash[RECORD] = record
    if record.failed:
        pytest.fail(explain_failure(record), pytrace=False)


def end_at_the_test(trace: TracebackType | None, item: pytest.Function) -> bool:
    """Cut a traceback below the project's own last frame: False where it never reached the test."""
    last = None
    in_test = False
    while trace is not None:
        in_test = in_test or trace.tb_frame.f_code.co_filename == str(item.path)
        if in_test and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in (
            "httpx2",
            "pytest_cowmem",
        ):
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None
    return in_test


def note_report(state: Session, report: pytest.TestReport) -> None:
    """Keep the record that came with a test's report, from this process or from an xdist worker."""
    from pytest_cowmem.model.record import Record

    data = vars(report).get("cowmem")
    if data is not None:
        state.records.append(Record.from_dict(data))
    if report.when == "teardown" and report.failed:
        state.unfit.add(report.nodeid)


def note_worker(state: Session, output: Mapping[str, Any]) -> None:
    """Keep what an xdist worker collected; every worker collects the same."""
    if "cowmem" in output:
        state.collected = output["cowmem"]["collected"]
        state.whole = output["cowmem"]["whole"]
        state.usage_error = output["cowmem"]["usage_error"]


def source_hash(item: pytest.Item) -> str:
    """A short hash of the test's source, to tell when the scenario changed since the baseline."""
    try:
        source = inspect.getsource(getattr(item, "obj"))  # noqa: B009
    except (OSError, TypeError, AttributeError):
        return "unknown"
    return hashlib.sha256(source.encode()).hexdigest()[:16]
