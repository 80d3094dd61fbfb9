"""A worker of the zygote un-shares what a gunicorn worker does with the same app and requests."""

import subprocess
import sys
import time
from contextlib import contextmanager

import httpx2
import pytest
from folders import APPS

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import wait_until_blocked
from pytest_cowmem.model.app import App

START_SECONDS = 30
WARM_UP = ["/", "/"]


@contextmanager
def gunicorn(target, folder):
    """Run a gunicorn that has preloaded the app, and give a client of it and its worker's pid.

    Its only worker serves the app on a Unix socket.
    """
    socket = folder / "gunicorn"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers=1"]
    command += ["--no-control-socket", f"--bind=unix:{socket}", target]
    with subprocess.Popen(command, cwd=APPS, stderr=subprocess.DEVNULL) as server:
        try:
            give_up = time.monotonic() + START_SECONDS
            while not (socket.exists() and (workers := procfs.forks(server.pid))):
                assert server.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.01)
            transport = httpx2.HTTPTransport(uds=str(socket))
            with httpx2.Client(transport=transport, base_url="http://gunicorn") as client:
                yield client, workers[0]
        finally:
            server.terminate()


def getting(*paths):
    """Return a scenario that gets each path."""
    return lambda client: [client.get(path) for path in paths]


def private(worker):
    """Return the private bytes of a worker that waits for its next request."""
    wait_until_blocked(worker)
    return procfs.memory(worker).private_dirty


@pytest.mark.parametrize("path", ["/read", "/dirty?2000", "/map?1000"])
def test_a_request_costs_what_it_costs_under_gunicorn(zygotes, measure, tmp_path, path):
    zygote = zygotes.get(App("bare:busy"))
    before = measure(zygote, getting(*WARM_UP)).values["private"]
    after = measure(zygote, getting(*WARM_UP, path)).values["private"]
    with gunicorn("bare:busy", tmp_path) as (client, worker):
        getting(*WARM_UP)(client)
        ready = private(worker)
        client.get(path)
        cost = private(worker) - ready
    assert cost > 2 * 2**20
    assert after - before == pytest.approx(cost, rel=0.05)
