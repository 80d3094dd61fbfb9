"""What a server takes itself: private bytes of workers of an app that does nothing but answer.

It has the standard library alone. bench_real_servers.py has the same masters with real apps.
"""

from collections.abc import Iterator

from common import measure, show, zygote

from pytest_cowmem.model.metrics import PRIVATE, USS

KIB = 1024
AGES = (1, 8, 64, 512)
MASTERS = (
    ("zygote, WSGI", "hello:app", ""),
    ("gunicorn, sync", "hello:app", "--worker-class=sync"),
    ("gunicorn, gthread", "hello:app", "--worker-class=gthread --threads=2"),
    ("gunicorn, gevent", "hello:app", "--worker-class=gevent"),
    ("zygote, ASGI", "hello:asgi", ""),
    ("gunicorn, asgi", "hello:asgi", "--worker-class=asgi"),
    ("gunicorn, uvicorn's worker", "hello:asgi", "--worker-class=uvicorn_worker.UvicornWorker"),
)
HEADERS = ["master", "idle KiB", *(f"after {age}" for age in AGES), "imports", "collections"]


def rows() -> Iterator[list[object]]:
    """Give a row for each master, of its second round: the first may compile late imports."""
    for name, target, workers in MASTERS:
        env = {"GUNICORN_CMD_ARGS": f"--preload {workers}"}
        options = {"server": "gunicorn", "env": env} if workers else {}
        with zygote(target, **options) as master:
            for _ in range(2):
                sample = measure(master, lambda worker: worker.burst("GET", "/", times=AGES[-1]))
        values, ages = sample.values, dict(sample.ages)
        row = [name, (values[USS] - values[PRIVATE]) // KIB, *(ages[age] // KIB for age in AGES)]
        yield [*row, len(sample.imports), values["gc_collections"]]


if __name__ == "__main__":
    show("What a server takes itself", list(rows()), HEADERS)
