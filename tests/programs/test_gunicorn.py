"""A worker of the zygote un-shares what a worker of a real gunicorn does, with the same app and the same requests."""

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
    """A gunicorn that has preloaded the app and serves it on a Unix socket from one worker: a client for it, and the worker's pid."""
    socket = folder / "gunicorn"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "--workers=1",
        "--no-control-socket",
        f"--bind=unix:{socket}",
        target,
    ]
    with subprocess.Popen(command, cwd=APPS, stderr=subprocess.DEVNULL) as server:
        try:
            give_up = time.monotonic() + START_SECONDS
            while not (socket.exists() and (workers := procfs.forks(server.pid))):
                assert server.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.01)
            with httpx2.Client(
                transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://gunicorn"
            ) as client:
                yield client, workers[0]
        finally:
            server.terminate()


def private(worker):
    wait_until_blocked(worker)
    return procfs.memory(worker).private_dirty


@pytest.mark.parametrize("path", ["/read", "/dirty?2000", "/map?1000"])
def test_a_request_costs_what_it_costs_under_gunicorn(zygotes, measure, tmp_path, path):
    zygote = zygotes.get(App("bare:busy"))
    before, after = (
        measure(zygote, lambda client, p=paths: [client.get(q) for q in p]).values["private"]
        for paths in (WARM_UP, [*WARM_UP, path])
    )
    with gunicorn("bare:busy", tmp_path) as (client, worker):
        for warming in WARM_UP:
            client.get(warming)
        ready = private(worker)
        client.get(path)
        cost = private(worker) - ready
    assert cost > 2 * 2**20
    assert after - before == pytest.approx(cost, rel=0.05)
