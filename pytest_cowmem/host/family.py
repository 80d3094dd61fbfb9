"""A running master and its workers, at one moment. Runs in the process of a command.

It reads /proc only, of these processes and their descendants, and asks nothing of them: one
smaps_rollup each, and who their children are. A worker is a descendant that runs what its master
runs. One that executed another program, or Python once more, shares nothing with it.
"""

import time
from dataclasses import dataclass
from statistics import mean

import psutil

from pytest_cowmem.host import procfs
from pytest_cowmem.model import capacity
from pytest_cowmem.model.errors import UsageError


@dataclass(frozen=True)
class Member:
    """A process, and the seconds since it began. `memory` is None where it may not be read.

    `reader` is the user who may: the process's own, or root once it has changed its user (proc(5)).
    """

    pid: int
    age: float
    reader: str
    memory: procfs.Memory | None


@dataclass(frozen=True)
class Program:
    """A descendant that shares nothing with the master, and has forks of its own."""

    pid: int
    command: str
    forks: int


@dataclass(frozen=True)
class Family:
    """`cpu` is the nanoseconds that it took to read them."""

    master: Member
    workers: tuple[Member, ...]
    programs: tuple[Program, ...]
    cpu: int

    @property
    def members(self) -> tuple[Member, ...]:
        """The master first."""
        return (self.master, *self.workers)

    @property
    def pss(self) -> int | None:
        """The bytes that all take together; None where one of them may not be read."""
        memories = [one.memory for one in self.members]
        return sum(one.pss for one in memories if one) if all(memories) else None

    @property
    def worker(self) -> int | None:
        """The bytes that a worker has for itself, in the mean. None without a worker to read."""
        uss = [one.memory.uss for one in self.workers if one.memory]
        return round(mean(uss)) if uss else None

    def capacity(self, host: int) -> int | None:
        """How many workers as these a host of so many bytes holds."""
        if self.pss is None or self.worker is None:
            return None
        return capacity.workers(host, self.pss - len(self.workers) * self.worker, self.worker)


def read(process: psutil.Process) -> Family:
    """Read a master and its workers. psutil.NoSuchProcess where it has ended, or is not the same.

    UsageError for what has no memory. Workers that end meanwhile are left out.
    """
    before = time.process_time_ns()
    forks = set(procfs.forks(process.pid))
    try:
        master = _member(process)
    except psutil.NoSuchProcess:
        if process.is_running():
            raise UsageError(
                f"process {process.pid} has no memory: it is the kernel's, or has ended and its "
                "parent has not noticed; give the id of a master that runs"
            ) from None
        raise
    workers, programs = [], []
    for pid in procfs.descendants(process.pid):
        try:
            child = psutil.Process(pid)
            if pid in forks:
                workers.append(_member(child))
            elif own := procfs.forks(pid):
                programs.append(Program(pid, " ".join(child.cmdline()), len(own)))
        except psutil.Error:
            continue
    cpu = time.process_time_ns() - before
    return Family(master, tuple(workers), tuple(programs), cpu)


def _member(process: psutil.Process) -> Member:
    try:
        reader = procfs.reader(process.pid)
        memory = procfs.memory(process.pid)
    except PermissionError:
        memory = None
    except (OSError, LookupError):  # it has ended, and the file is empty or gone
        raise psutil.NoSuchProcess(process.pid) from None
    age = max(0.0, time.time() - process.create_time())
    return Member(process.pid, age, reader, memory)
