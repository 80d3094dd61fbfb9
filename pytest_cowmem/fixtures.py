"""The fixtures: cow_app, cow_zygote, cow_worker. Runs in the pytest process, in every run."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_cowmem.host.client import CowWorker
    from pytest_cowmem.host.zygote import Zygote
    from pytest_cowmem.model.app import App
    from pytest_cowmem.run.hooks import Measuring

# Filled in a measuring run. What measures is reached through it, and so is imported only then.
MEASURING: "pytest.StashKey[Measuring]" = pytest.StashKey()


@pytest.fixture(scope="session")
def cow_app(pytestconfig: pytest.Config) -> "App | str | None":
    """What to preload: the ini file's `cowmem_app`.

    Override it to return "module:attr", or an App with options.
    """
    target: str = pytestconfig.getini("cowmem_app")
    return target or None


@pytest.fixture
def cow_zygote(request: pytest.FixtureRequest) -> "Zygote":
    """The running master that has this test's app preloaded.

    A run has one for each app and its options.
    """
    measuring = request.config.stash.get(MEASURING, None)
    if measuring is None:
        pytest.skip("needs a forked worker: run with --cowmem to measure it")
    if not sys.platform.startswith("linux"):
        pytest.skip(f"measuring forked workers needs Linux, and this is {sys.platform}")
    return measuring.zygote(request.node, request.getfixturevalue("cow_app"))


@pytest.fixture
def cow_worker(request: pytest.FixtureRequest, cow_zygote: "Zygote") -> "Iterator[CowWorker]":
    """An httpx2 client served by a fork of the zygote.

    Each round gets a fresh fork, measured from its first request to its last.
    """
    with request.config.stash[MEASURING].client(request.node, cow_zygote) as client:
        yield client
