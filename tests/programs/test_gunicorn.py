"""A worker of the zygote un-shares what a gunicorn worker does with the same app and requests."""

import pytest
from servers import gunicorn, memory

from pytest_cowmem.model.app import App

WARM_UP = ["/", "/"]


def getting(*paths):
    """Return a scenario that gets each path."""
    return lambda client: [client.get(path) for path in paths]


@pytest.mark.parametrize("path", ["/read", "/dirty?2000", "/map?1000"])
def test_a_request_costs_what_it_costs_under_gunicorn(zygotes, measure, tmp_path, path):
    zygote = zygotes.get(App("bare:busy"))
    before = measure(zygote, getting(*WARM_UP)).values["private"]
    after = measure(zygote, getting(*WARM_UP, path)).values["private"]
    with gunicorn("bare:busy", tmp_path) as server:
        (worker,) = server.workers
        getting(*WARM_UP)(server.client)
        ready = memory(worker).private_dirty
        server.client.get(path)
        cost = memory(worker).private_dirty - ready
    assert cost > 2 * 2**20
    assert after - before == pytest.approx(cost, rel=0.05)
