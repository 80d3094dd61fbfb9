"""A real gunicorn and its workers, each of which has lived through a test's requests.

Runs in the process of a benchmark.
"""

import os
import runpy
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import wait_until_blocked

SCENARIOS = Path(__file__).parent / "real_capacity" / "test_capacity.py"
FILL = "def when_ready(server):\n    import site_wsgi\n    site_wsgi.fill()\n"
# All workers write the same file, so one at a time does.
FILL_EACH = """
import fcntl

def post_fork(server, worker):
    import wsgi
    with open("lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wsgi.fill()
"""
# What gunicorn serves of each app, and its configuration file.
APPS = {
    "httpbin": ("wsgi:app", ""),
    "django": ("site_wsgi:application", FILL),
    "radicale": ("wsgi:app", ""),
    "sqlite_web": ("wsgi:app", FILL_EACH),
    "fastapi": ("shop:wsgi", ""),
}
START_SECONDS = 60


@dataclass(frozen=True)
class Family:
    """What a gunicorn and its workers take, in bytes.

    `pss` is the sum over all. `anonymous` is its part that no file backs, and `files` is all pages
    of files that one of them has mapped, each counted once. `master` and `uss` are the master's
    anonymous bytes, and what each worker has for itself.
    """

    pss: int
    anonymous: int
    files: int
    master: int
    uss: Sequence[int]

    @property
    def alone(self) -> int:
        """What they would take as the only processes of a host."""
        return self.anonymous + self.files


def family(executable: str, app: str, root: Path, count: int) -> Family:
    """Start gunicorn in an app's project, make the requests to each worker, and read them all."""
    with gunicorn(executable, app, root, count) as (master, workers):
        for worker in workers:
            drive(app, root / "socket", worker, workers)
        time.sleep(1)  # for the last of them to close its connection
        wait_until_blocked(master, *workers)
        pids = [master, *workers]
        rollups = [rollup(pid) for pid in pids]
        return Family(
            pss=sum(one["Pss"] for one in rollups),
            anonymous=sum(one["Pss_Anon"] + one["Pss_Shmem"] for one in rollups),
            files=len({page for pid in pids for page in file_pages(pid)}) * procfs.PAGE,
            master=procfs.anonymous(master),
            uss=[procfs.memory(pid).uss for pid in workers],
        )


@contextmanager
def gunicorn(executable: str, app: str, root: Path, count: int) -> Iterator[tuple[int, list[int]]]:
    """Run gunicorn: the master's process number, and those of its workers."""
    target, config = APPS[app]
    (root / "gunicorn.conf.py").write_text(config)
    command = [executable, "-m", "gunicorn", "--preload", f"--workers={count}"]
    # A stopped worker sends no heartbeat, and is to live on.
    command += ["--no-control-socket", "--timeout=600", "--bind=unix:socket", target]
    environ = dict(os.environ)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):
        environ.pop(name, None)
    with subprocess.Popen(command, cwd=root, env=environ, stderr=subprocess.DEVNULL) as server:
        try:
            give_up = time.monotonic() + START_SECONDS
            while not ((root / "socket").exists() and len(procfs.forks(server.pid)) == count):
                if server.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"gunicorn did not start in {root}: {' '.join(command)}")
                time.sleep(0.01)
            yield server.pid, procfs.forks(server.pid)
        finally:
            server.terminate()


def drive(app: str, socket: Path, worker: int, workers: Sequence[int]) -> None:
    """Make the test's requests to one worker, the others stopped meanwhile."""
    scenario = runpy.run_path(str(SCENARIOS))[f"test_{app}"]
    others = [pid for pid in workers if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    while any(procfs.state(pid) != "T" for pid in others):
        time.sleep(0.001)
    transport = httpx2.HTTPTransport(uds=str(socket))
    base = "http://localhost"
    with httpx2.Client(transport=transport, base_url=base, trust_env=False) as client:
        scenario(client)
    for pid in others:
        os.kill(pid, signal.SIGCONT)


def rollup(pid: int) -> dict[str, int]:
    """Return the fields of smaps_rollup, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def file_pages(pid: int) -> Iterator[tuple[str, str, int]]:
    """Give (device, inode, page of the file) of each resident page that a file backs."""
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, _, offset, device, inode = line.split()[:5]
            if inode != "0":
                start, end = (int(address, 16) // procfs.PAGE for address in span.split("-"))
                entries = os.pread(pagemap.fileno(), (end - start) * 8, start * 8)
                for number, flags in enumerate(entries[7::8]):
                    if flags & 0x80 and flags & 0x20:  # present, and of a file (pagemap.rst)
                        yield device, inode, int(offset, 16) // procfs.PAGE + number
