"""Fork processes that live one function and end. Runs in the zygote and in twins."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from pytest_cowmem.zygote import process, wire


def fork_into(life: Callable[[], Any]) -> int:
    """Fork a process that runs `life` and ends, whatever happens; its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        process.die_with_parent(parent)
        os.setpgid(0, 0)  # what the app starts in a worker ends with it
        life()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, (int, type(None))):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exception(error)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def wait(pid: int) -> "int | None":
    """Reap `pid`: its exit code, or minus the signal that ended it; None where that is lost."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # the app's own SIGCHLD handling has reaped it
        return None


def in_throwaway_fork(function: Callable[[], int]) -> int:
    """What `function` returns in a fork that then ends."""
    near, far = socket.socketpair()
    with near, far:
        pid = fork_into(lambda: wire.send(far, (function(),)))
        (result,) = wire.receive_message(near)
        wait(pid)
    assert isinstance(result, int)
    return result
