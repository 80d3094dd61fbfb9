"""What measuring costs: the plugin when off, a round, burst() beside a direct loop, the zygote's start. Ratios within one run."""

import os
import statistics
import subprocess
import sys
import time

from common import APPS, measure, show, zygote

_OFF = """
import time
import pytest
from _pytest.config import get_config
config = get_config()
started = time.perf_counter()
config.pluginmanager.import_plugin("pytest_cowmem.plugin")
print((time.perf_counter() - started) * 1000)
"""

_DIRECT = """
import io, os, sys, time
sys.path.insert(0, sys.argv[1])
started = time.perf_counter()
from big import app
print(time.perf_counter() - started, flush=True)
environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/page", "QUERY_STRING": "", "SERVER_NAME": "localhost",
    "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False, "HTTP_HOST": "localhost"}
def call():
    result = app({**environ, "wsgi.input": io.BytesIO()}, lambda status, headers, exc_info=None: None)
    for _ in result:
        pass
    result.close()

for line in sys.stdin:  # each time in a fork, as a server would
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        continue
    call()
    started = time.perf_counter()
    for _ in range(int(line)):
        call()
    print(time.perf_counter() - started, flush=True)
    os._exit(0)
"""


def off() -> None:
    """What loading the plugin adds to pytest when it is not used: its import and its options, timed in fresh processes."""
    spent = [
        float(
            subprocess.run(
                [sys.executable, "-c", _OFF], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(15)
    ]
    show(
        "The plugin, off",
        [[min(spent), statistics.median(spent), max(spent)]],
        ["least ms", "median ms", "most ms"],
    )


def start_and_burst() -> None:
    """The zygote's start beside the app's own import, and burst() beside calling the app in a loop, alternating."""
    times = 20_000  # 7 reads of memory a burst, 2 to 4 ms each of a 100 MiB process: 3 % of 10,000 requests, half of that here
    with subprocess.Popen(
        [sys.executable, "-c", _DIRECT, str(APPS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    ) as direct:
        assert direct.stdin
        assert direct.stdout
        importing = float(direct.stdout.readline())

        def loop() -> float:
            print(times, file=direct.stdin, flush=True)
            return float(direct.stdout.readline())

        started = time.perf_counter()
        with zygote("big:app") as running:
            starting = time.perf_counter() - started
            pairs = [(loop(), burst_seconds(running, times)) for _ in range(9)]
        direct.stdin.close()
    show(
        "The zygote's start, 100 MiB app",
        [[importing * 1000, starting * 1000, (starting - importing) * 1000, starting / importing]],
        ["app's import ms", "zygote ms", "beyond ms", "ratio"],
    )
    best = [min(seconds) for seconds in zip(*pairs, strict=True)]
    shares = [a / b for a, b in pairs]
    show(
        f"burst() of {times} beside a direct loop",
        [
            [
                best[0] / times * 1e6,
                best[1] / times * 1e6,
                f"{best[0] / best[1]:.1%}",
                f"{statistics.median(shares):.1%}",
            ]
        ],
        ["direct us/request", "burst us/request", "speed (best)", "speed (median of pairs)"],
    )


def burst_seconds(running, times: int) -> float:
    """Wall seconds of a burst on a worker that has served the page before."""
    spent = []

    def body(client):
        client.get("/page")
        started = time.perf_counter()
        client.burst("GET", "/page", times=times)
        spent.append(time.perf_counter() - started)

    measure(running, body)
    return spent[0]


_FORKS = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import big
for line in sys.stdin:
    started = time.perf_counter()
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    print(time.perf_counter() - started, flush=True)
"""


def rounds() -> None:
    """A round's cost beyond its scenario (one request), beside a bare fork and waitpid of a process with the same app."""
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS, str(APPS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as bare:
        assert bare.stdin
        assert bare.stdout
        with zygote("big:app") as running:
            size = running.size / 2**20
            pairs = []
            for _ in range(20):
                print("fork", file=bare.stdin, flush=True)
                fork = float(bare.stdout.readline())
                inside = []

                def body(client, inside=inside):
                    started = time.perf_counter()
                    client.get("/page")
                    inside.append(time.perf_counter() - started)

                started = time.perf_counter()
                measure(running, body)
                pairs.append((fork * 1000, (time.perf_counter() - started - inside[0]) * 1000))
        bare.stdin.close()
    fork, beyond = (statistics.median(times) for times in zip(*pairs, strict=True))
    best = [min(times) for times in zip(*pairs, strict=True)]
    show(
        "A round beyond its scenario",
        [[size, fork, beyond, beyond / fork, best[0], best[1]]],
        ["zygote MiB", "fork+wait ms", "round ms", "ratio", "fork+wait best", "round best"],
    )


if __name__ == "__main__":
    off()
    start_and_burst()
    rounds()
