"""What a measuring run holds between its hooks, and how a test gets its scenario. Runs in the pytest process."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_cowmem.app import App, as_app
from pytest_cowmem.config import Settings
from pytest_cowmem.errors import UsageError
from pytest_cowmem.judge import baseline
from pytest_cowmem.judge.budget import Budget

if TYPE_CHECKING:
    from pytest_cowmem.measure.client import CowWorker
    from pytest_cowmem.measure.zygote import Zygote, Zygotes
    from pytest_cowmem.record import Record
    from pytest_cowmem.scenario import Scenario


@dataclass
class Session:
    """The state of a measuring run.

    `collected` maps each collected test file to its measured tests, `whole` names the files of which no test was left out.
    `stale` holds (profile, test) of entries without a test, `changes` a line for each change to the baseline file.
    """

    settings: Settings
    baseline: baseline.Baseline
    zygotes: "Zygotes"
    records: "list[Record]" = field(default_factory=list)
    collected: dict[str, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    stale: list[tuple[str, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    write_failed: bool = False
    usage_error: str = ""


SESSION = pytest.StashKey[Session]()
SCENARIO = pytest.StashKey["Scenario"]()
RECORD = pytest.StashKey["Record"]()


def start(config: pytest.Config) -> None:
    """Read settings and baseline, once a process. pytest.UsageError when either cannot be understood."""
    from pytest_cowmem.measure.zygote import Zygotes

    try:
        settings = Settings.from_config(config)
        found = baseline.load(settings.baseline)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    zygotes = Zygotes(settings.rootdir, settings.path, settings.timeout)
    config.stash[SESSION] = Session(settings, found, zygotes)
    config.add_cleanup(zygotes.close)


def of(config: pytest.Config) -> Session:
    """The run's state; only where it measures."""
    return config.stash[SESSION]


def app_of(item: pytest.Item, base: object) -> App:
    """The app of a test: what the cow_app fixture returned, varied by the test's cow_app markers, the farthest first."""
    markers = list(item.iter_markers("cow_app"))
    app = App("replaced:app") if base is None and any(marker.args for marker in markers) else as_app(base)
    for marker in reversed(markers):
        app = app.varied(marker.args, marker.kwargs)
    return app


def budget_of(item: pytest.Item) -> Budget:
    """The budget of a test, from its mem_budget markers."""
    return Budget.from_markers((marker.args, marker.kwargs) for marker in item.iter_markers("mem_budget"))


def prepare(item: pytest.Item, client: "CowWorker", zygote: "Zygote") -> None:
    """Give a test its scenario; its body is run in rounds from then on."""
    from pytest_cowmem.scenario import Scenario

    found = of(item.config)
    item.stash[SCENARIO] = Scenario(item.nodeid, source_hash(item), client, zygote, budget_of(item), found.settings, found.baseline)


def run(item: pytest.Function, scenario: "Scenario", body: Callable[[], object]) -> None:
    """Measure a test's body, and fail the test where budget or baseline say so."""
    from pytest_cowmem.report.failure import explain_failure

    record = item.stash[RECORD] = scenario.measure(body)
    if scenario.settings.prove and not record.failed:
        record = item.stash[RECORD] = scenario.prove(body, record)
    if record.failed:
        pytest.fail(explain_failure(record), pytrace=False)


def note_report(state: Session, report: pytest.TestReport) -> None:
    """Keep the record that came with a test's report, from this process or from an xdist worker."""
    from pytest_cowmem.record import Record

    data = vars(report).get("cowmem")
    if data is not None:
        state.records.append(Record.from_dict(data))


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
