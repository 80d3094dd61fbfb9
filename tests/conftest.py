"""What the tests share: zygotes, a worker to talk to, and projects for pytest to run apart."""

import importlib
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from folders import APPS
from hypothesis import HealthCheck, settings

from pytest_cowmem import host
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.growth_round import GrowthRound
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.growth import Growth
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.run import scenario, what_if

pytest_plugins = ["pytester", "browsers"]

# What a run in this process imports is dropped after it, so that keys of a stash would be there
# twice: everything is loaded before.
importlib.import_module("pytest_cowmem.run.hooks")

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


# Whole runs and commands whose figures and texts are the same on any Python. They take long, so
# .ci/run has them on the oldest and the newest alone.
ANY_PYTHON = {
    "test_accepting.py",
    "test_advice_runs.py",
    "test_against.py",
    "test_asked_by_name.py",
    "test_bytecode.py",
    "test_ci.py",
    "test_explain_runs.py",
    "test_gate.py",
    "test_history.py",
    "test_imports.py",
    "test_live.py",
    "test_loadgroup.py",
    "test_merge_driver.py",
    "test_merging.py",
    "test_off.py",
    "test_once.py",
    "test_paste.py",
    "test_plain_budget.py",
    "test_prove.py",
    "test_pruning.py",
    "test_recipes.py",
    "test_reports.py",
    "test_rounds_left.py",
    "test_server_gunicorn.py",
    "test_services.py",
    "test_terminal_progress.py",
    "test_timeouts.py",
    "test_updates_at_once.py",
    "test_what_if_runs.py",
    "test_workflows.py",
    "test_xdist.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests come first: they are fast, and some of them walk all that is loaded."""
    for item in items:
        if item.path.name in ANY_PYTHON:
            item.add_marker(pytest.mark.any_python)
    items.sort(key=lambda item: "unit" not in item.path.parts)


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of pytest that tests start are not in CI, wherever these tests run."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process measure two layouts of the five: for tests that count no pages."""
    monkeypatch.setattr(host.zygotes, "_SEEDS", range(1, 3))
    monkeypatch.setattr(what_if, "LAYOUTS", 2)


@pytest.fixture
def untraced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process trace no round, unless one is marked `traced`.

    It is for tests that read neither why nor bytes by module: tracing is half of their time.
    """
    if request.node.get_closest_marker("traced"):
        return
    monkeypatch.setattr(scenario.Scenario, "_traced", lambda _scenario, _body, record: record)


@pytest.fixture(autouse=True)
def fewer_layouts(request: pytest.FixtureRequest) -> None:
    """Two layouts are enough for tests of whole runs, unless one is marked `five_layouts`."""
    marked = request.node.get_closest_marker("five_layouts")
    if "runs" in request.node.path.parts and marked is None:
        request.getfixturevalue("two_layouts")


@contextmanager
def working(zygote: Zygote, timeout: float = 60) -> Iterator[CowWorker]:
    """A client of a fresh worker, as a test's body would have it."""
    with CowWorker() as client, Round(zygote, timeout) as current:
        client.enter_round(current)
        yield client


@pytest.fixture
def talk() -> Callable[..., Any]:
    """`with talk(zygote) as client:` talks to a fresh worker of a running zygote."""
    return working


@pytest.fixture
def measure() -> Callable[..., Sample]:
    """`measure(zygote, body)` measures one round; the body is called with its client."""

    def one_round(
        zygote: Zygote, body: Callable[[CowWorker], object], *, aging: bool = False
    ) -> Sample:
        full = zygote.full_collection()
        with working(zygote) as client:
            body(client)
            return client.current_round().finish(full, aging=aging)

    return one_round


@pytest.fixture
def growth() -> Callable[..., Growth | None]:
    """`growth(zygote, body, requests)` is what a growth round finds."""

    def one_round(
        zygote: Zygote, body: Callable[[CowWorker], object], requests: int
    ) -> Growth | None:
        with CowWorker() as client, GrowthRound(zygote, 60, requests) as current:
            client.enter_round(current)
            body(client)
            return current.growth()

    return one_round


@pytest.fixture(scope="session")
def zygotes() -> Iterator[Zygotes]:
    """The zygotes of the apps under tests/support/apps, each started once."""
    with closing(Zygotes(APPS, [], 60)) as found:
        yield found


@pytest.fixture
def fresh_zygotes() -> Iterator[Zygotes]:
    """Zygotes of this test alone, to be harmed."""
    with closing(Zygotes(APPS, [], 60)) as found:
        yield found


@pytest.fixture
def worker(zygotes: Zygotes) -> Callable[..., Any]:
    """`with worker("bare:echo", gc="off") as client:` talks to a fresh worker of that app."""
    return lambda target, **options: working(zygotes.get(App(target, **options)))


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """`project(test_file, app="bare:quiet")` writes a project, and runs it with --cowmem.

    It preloads `app` from tests/support/apps, and runs in this process: a start of pytest takes
    longer than most projects. `options` are those of pytester's `inline_run`.
    """

    def run(
        test_file: str, *args: str, app: str = "bare:quiet", ini: str = "", **options: bool
    ) -> pytest.RunResult:
        pytester.makeini(
            f"[pytest]\ncowmem_app = {app}\npythonpath = '{APPS}'\ncowmem_rounds = 1\n{ini}"
        )
        pytester.makepyfile(textwrap.dedent(test_file))
        plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        return pytester.runpytest_inprocess(*plugins, "--cowmem", *args, **options)

    return run
