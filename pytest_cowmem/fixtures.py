"""The fixtures: cow_app, cow_zygote, cow_worker. Runs in the pytest process; what measures is imported only when it does."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_cowmem.options import enabled

if TYPE_CHECKING:
    from pytest_cowmem.host.client import CowWorker
    from pytest_cowmem.host.handle import Zygote
    from pytest_cowmem.model.app import App


@pytest.fixture(scope="session")
def cow_app(pytestconfig: pytest.Config) -> "App | str | None":
    """What to preload: the ini file's `cowmem_app`. Override it to return "module:attr", or an App with options."""
    target: str = pytestconfig.getini("cowmem_app")
    return target or None


@pytest.fixture
def cow_zygote(request: pytest.FixtureRequest) -> "Zygote":
    """The running master that has this test's app preloaded; one a session for each app and its options."""
    if not enabled(request.config):
        pytest.skip("needs a forked worker: run with --cowmem to measure it")
    if not sys.platform.startswith("linux"):
        pytest.skip(f"measuring forked workers needs Linux, and this is {sys.platform}")
    from pytest_cowmem.model.errors import CowmemError
    from pytest_cowmem.run import session

    base = request.getfixturevalue("cow_app")
    problem = None
    try:
        session.refuse_test_case(request.node)
        app = session.app_of(request.node, base)
        zygote = session.of(request.config).zygotes.get(app)
    except CowmemError as error:
        problem = str(error)
    if (
        problem is not None
    ):  # out of the except block, and without frames: they would be this plugin's, and the text twice
        pytest.fail(problem, pytrace=False)
    if zygote.facts["threads"] and not zygote.warned:
        zygote.warned = True
        names = ", ".join(zygote.facts["threads"])
        text = f"threads are alive in the zygote of {app.target!r} and do not exist in its workers: {names}"
        request.node.warn(pytest.PytestWarning(text))
    return zygote


@pytest.fixture
def cow_worker(request: pytest.FixtureRequest, cow_zygote: "Zygote") -> "Iterator[CowWorker]":
    """An httpx2 client served by a fork of the zygote: a fresh one each round, measured from its first request to its last."""
    from pytest_cowmem.host.client import CowWorker
    from pytest_cowmem.run import session

    with CowWorker() as client:
        session.prepare(request.node, client, cow_zygote)
        yield client
