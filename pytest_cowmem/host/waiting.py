"""Wait for processes, and say how they ended. Runs in the pytest process."""

import signal
import time
from collections.abc import Callable

from pytest_cowmem.host import procfs
from pytest_cowmem.model.errors import CannotMeasure, WorkerDied

_REST_SECONDS = 10.0
_DEATH_SECONDS = 5.0


def wait_until_blocked(*pids: int) -> None:
    """Wait until each is blocked in a system call. CannotMeasure or WorkerDied when one is not."""
    give_up = time.monotonic() + _REST_SECONDS
    for pid in pids:
        while (state := procfs.state(pid)) != "S":
            if state in "ZX":
                raise WorkerDied(f"process {pid} ended while it was being measured")
            if time.monotonic() > give_up:
                raise CannotMeasure(
                    f"process {pid} did not come to rest in {_REST_SECONDS:.0f} s: "
                    "let the request end what it starts in the main thread"
                )
            time.sleep(0)


def wait_for_threads(pid: int) -> None:
    """Wait until each thread of a process is blocked. CannotMeasure when one is not."""
    give_up = time.monotonic() + _REST_SECONDS
    while set(procfs.thread_states(pid)) - {"S"}:
        if time.monotonic() > give_up:
            raise CannotMeasure(
                f"a thread of process {pid} did not come to rest in {_REST_SECONDS:.0f} s: "
                "let what it does end within the request"
            )
        time.sleep(0)


def wait_until_still(
    pid: int, until: Callable[[], bool] = lambda: True, seconds: float = _REST_SECONDS
) -> None:
    """Wait until all threads of a process are blocked, and `until` holds.

    WorkerDied where it ends, CannotMeasure where that takes longer.
    """
    give_up = time.monotonic() + seconds
    while not procfs.is_ending(pid):
        if procfs.all_blocked(pid) and until():
            return
        if time.monotonic() > give_up:
            raise CannotMeasure(
                f"the threads of process {pid} did not come to rest in {seconds:g} s: "
                "let what they do end, or raise cowmem_timeout"
            )
        time.sleep(0)
    raise WorkerDied(f"process {pid} ended while it was being measured")


def has_ended(pid: int) -> bool:
    """Whether a process that is about to end has done so within some seconds."""
    give_up = time.monotonic() + _DEATH_SECONDS
    while procfs.state(pid) not in "ZX":
        if time.monotonic() > give_up:
            return False
        time.sleep(0.001)
    return True


def ended(code: int | None) -> str:
    """How a process ended, by its exit code: "was killed by SIGSEGV", "exited with code 3"."""
    if code is None:
        return "ended"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"was killed by {names.get(-code, f'signal {-code}')}"
    return f"exited with code {code}"
