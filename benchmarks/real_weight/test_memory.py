import pytest


def live(worker):
    """Do a little, and have the one full collection that each worker has some day."""
    for path in ("/", "/total", "/total"):
        assert worker.get(path).status_code == 200
    worker.call("gc:collect")


def test_default(cow_worker):
    live(cow_worker)


@pytest.mark.cow_app(gc="freeze")
def test_frozen(cow_worker):
    live(cow_worker)
