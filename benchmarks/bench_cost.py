"""What measuring costs: the plugin when off, the zygote's start, burst() and a round.

Each is compared with the plain way to do the same, within one run.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from common import APPS, measure, show, zygote

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.zygote import Zygote

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
environ = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/page", "QUERY_STRING": "",
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
    "HTTP_HOST": "localhost",
}
def call():
    def start_response(status, headers, exc_info=None):
        pass

    result = app({**environ, "wsgi.input": io.BytesIO()}, start_response)
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
    """Time what the unused plugin adds to pytest: its import and options, in fresh processes."""
    command = [sys.executable, "-c", _OFF]
    outputs = [subprocess.check_output(command, text=True) for _ in range(15)]
    spent = [float(output) for output in outputs]
    rows = [[min(spent), statistics.median(spent), max(spent)]]
    show("The plugin, off", rows, ["least ms", "median ms", "most ms"])


class Program:
    """A running program that answers each line of its input with a number of seconds."""

    def __init__(self, there: IO[str], back: IO[str]) -> None:
        self._there, self._back = there, back

    def seconds(self) -> float:
        """Return the next number it prints."""
        return float(self._back.readline())

    def ask(self, line: object) -> float:
        """Send a line, and return the answer."""
        print(line, file=self._there, flush=True)
        return self.seconds()


@contextmanager
def program(source: str, **environ: str) -> Iterator[Program]:
    """Run a program whose first argument is the folder of the benchmarks' apps."""
    with subprocess.Popen(
        [sys.executable, "-c", source, str(APPS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Program(process.stdin, process.stdout)
        process.stdin.close()


def start_and_burst() -> None:
    """Compare the zygote's start with the app's own import, and burst() with a direct loop."""
    # A burst reads memory 7 times, 2 to 4 ms each of a 100 MiB process: half as much a request
    # as in a burst of 10,000, where that was 3 %.
    times = 20_000
    with program(_DIRECT, PYTHONHASHSEED="0") as direct:
        importing = direct.seconds()
        started = time.perf_counter()
        with zygote("big:app") as running:
            starting = time.perf_counter() - started
            pairs = [(direct.ask(times), burst_seconds(running, times)) for _ in range(9)]
    show(
        "The zygote's start, 100 MiB app",
        [[importing * 1000, starting * 1000, (starting - importing) * 1000, starting / importing]],
        ["app's import ms", "zygote ms", "beyond ms", "ratio"],
    )
    loop, burst = (min(seconds) for seconds in zip(*pairs, strict=True))
    share = statistics.median(one / other for one, other in pairs)
    show(
        f"burst() of {times} beside a direct loop",
        [[loop / times * 1e6, burst / times * 1e6, f"{loop / burst:.1%}", f"{share:.1%}"]],
        ["direct us/request", "burst us/request", "speed (best)", "speed (median of pairs)"],
    )


def burst_seconds(running: Zygote, times: int) -> float:
    """Return the wall seconds of a burst on a worker that has served the page before."""
    spent = []

    def body(client: CowWorker) -> None:
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


def seconds_beyond_scenario(running: Zygote) -> float:
    """Return the wall seconds of a round of one request, without those of the request."""
    inside = []

    def body(client: CowWorker) -> None:
        started = time.perf_counter()
        client.get("/page")
        inside.append(time.perf_counter() - started)

    started = time.perf_counter()
    measure(running, body)
    return time.perf_counter() - started - inside[0]


def rounds() -> None:
    """Compare a round's cost beyond its scenario with a bare fork and waitpid of the same app."""
    pairs = []
    with program(_FORKS) as bare, zygote("big:app") as running:
        size = running.size / 2**20
        for _ in range(20):
            pairs.append((bare.ask("fork") * 1000, seconds_beyond_scenario(running) * 1000))
    fork, beyond = (statistics.median(times) for times in zip(*pairs, strict=True))
    best = [min(times) for times in zip(*pairs, strict=True)]
    show(
        "A round beyond its scenario",
        [[size, fork, beyond, beyond / fork, *best]],
        ["zygote MiB", "fork+wait ms", "round ms", "ratio", "fork+wait best", "round best"],
    )


if __name__ == "__main__":
    off()
    start_and_burst()
    rounds()
