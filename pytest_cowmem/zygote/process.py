"""What a process asks of the kernel by prctl and personality, which only ctypes reaches.

Runs in the zygote and its forks, and in the pytest process when it starts a zygote.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_ADDR_NO_RANDOMIZE = 0x0040000  # linux/personality.h
_QUERY = 0xFFFFFFFF  # personality(2): return the present value and change nothing

_libc = ctypes.CDLL(None)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends. Forks do not inherit it (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own ends. Forks do not inherit it (prctl(2))."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_children() -> None:
    """Kill and reap all children until none is left; theirs become ours by adoption."""
    while children := _children():
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue  # the app's own SIGCHLD handling has reaped it


def _children() -> "list[int]":
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []


def anonymous_bytes() -> int:
    """Resident bytes of this process that no file backs; 0 where the kernel does not say."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def addresses_are_fixed() -> bool:
    """Whether address randomisation is off here; False where the kernel does not say."""
    present = _libc.personality(_QUERY)
    return present != -1 and bool(present & _ADDR_NO_RANDOMIZE)


@contextmanager
def fixed_addresses() -> "Iterator[None]":
    """Turn address randomisation off for the programs this thread starts, where that is allowed.

    Docker's seccomp profile refuses it. Fork inherits a thread's personality and exec keeps it;
    it counts when a program is loaded (personality(2)).
    """
    present = _libc.personality(_QUERY)
    if present != -1:
        _libc.personality(present | _ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        if present != -1:
            _libc.personality(present)
