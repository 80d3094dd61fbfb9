"""The requests of real_capacity to each kind of master: the built-in zygote, and real gunicorns."""

import pytest
import test_capacity

from pytest_cowmem.model.app import INTERFACES

ROUNDS = 9
pytestmark = pytest.mark.mem_budget(rounds=ROUNDS)


def _gunicorn(worker, target=()):
    env = {"GUNICORN_CMD_ARGS": f"--preload {worker}"}
    return pytest.mark.cow_app(*target, server="gunicorn", env=env)


IN_ONE_THREAD = [
    pytest.param(id="zygote"),
    pytest.param(id="sync", marks=_gunicorn("--worker-class=sync")),
]
WSGI = [
    *IN_ONE_THREAD,
    pytest.param(id="gthread", marks=_gunicorn("--worker-class=gthread --threads=2")),
]
_ASGI_ITSELF = pytest.mark.cow_app("shop:app", interface="asgi")
ASGI = [
    *([pytest.param(id="zygote", marks=_ASGI_ITSELF)] if "asgi" in INTERFACES else []),
    pytest.param(id="asgi", marks=_gunicorn("--worker-class=asgi", ["shop:app"])),
]


@pytest.mark.parametrize((), WSGI)
def test_httpbin(cow_worker):
    test_capacity.test_httpbin(cow_worker)


# Its database is in memory, and so in one thread.
@pytest.mark.parametrize((), IN_ONE_THREAD)
def test_django(cow_worker):
    test_capacity.test_django(cow_worker)


@pytest.mark.parametrize((), WSGI)
def test_radicale(cow_worker):
    test_capacity.test_radicale(cow_worker)


@pytest.mark.parametrize((), ASGI)
def test_fastapi(cow_worker):
    test_capacity.test_fastapi(cow_worker)
