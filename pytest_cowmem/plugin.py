"""What pytest loads of this plugin in every run. Runs in the pytest process.

A run without --cowmem imports no more than this.
"""

import pytest

from pytest_cowmem.fixtures import MEASURING, cow_app, cow_worker, cow_zygote
from pytest_cowmem.options import add_options, enabled, refuse_idle_options

__all__ = ["cow_app", "cow_worker", "cow_zygote"]

MARKERS = (
    "mem_budget(private=..., growth=..., rounds=..., tolerance=...): "
    "limits for what a forked worker, or the test's own body in a fork, may cost, by metric",
    "cow_app(target, gc=..., env=..., pythonpath=..., preload=..., prepare=..., after_fork=..., "
    "interface=...): "
    "the app to preload for this test, class or module",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    refuse_idle_options(config)
    if enabled(config):
        from pytest_cowmem.run.hooks import Measuring  # only where a run measures

        config.stash[MEASURING] = measuring = Measuring(config)
        config.pluginmanager.register(measuring, "cowmem-measuring")
