import os


def test_worker(cow_worker):
    cow_worker.burst("GET", "/", times=int(os.environ["REQUESTS"]))
