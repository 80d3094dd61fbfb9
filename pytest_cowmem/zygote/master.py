"""Play the master of a preforking server: import the app, apply the GC policy, then only fork. Runs in the zygote."""

import gc
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_cowmem.zygote import apps, pauses, process, wire, worker

_WARM_UPS = 50  # CPython specialises a code object within its first dozens of calls; after that it is no longer written to


def run(control: socket.socket, table_fd: int, once_more: bool) -> bool:
    """Preload, then fork until the pytest process is gone. False: source was compiled on the way, so start over from its bytecode.

    A process that compiled has another heap than one that loaded bytecode, which is what a server in production does.
    """
    config: dict[str, Any] = receive_message(control)[1]
    begun = time.time_ns()
    facts: dict[str, Any] = {"harness": list(sys.modules)}
    try:
        app, collect = preload(config)
    except BaseException as error:  # an import may raise SystemExit too
        wire.send(control, ("failed", *told(error)))
        return True
    if once_more and compiled_since(begun):
        sys.stdout.flush()
        wire.send(control, ("again",))
        return False
    table = pauses.shared_table(table_fd)
    warm_up()
    gc.disable()  # an idle master does not collect, and a collection here would differ from fork to fork
    facts["gc_speed"] = in_throwaway_fork(pauses.calibrate)
    in_throwaway_fork(os.getpid)  # the first two forks of a process leave other pages behind than the later ones
    facts |= {
        "pid": os.getpid(),
        "fixed_addresses": process.addresses_are_fixed(),
        "gc_enabled": collect,
        "gc_thresholds": gc.get_threshold(),
        "gc_frozen": gc.get_freeze_count(),
        "threads": other_threads(),
        "modules": list(sys.modules),
    }
    wire.send(control, ("started", facts))
    del facts
    serve(control, app, config["after_fork"], collect, table)
    return True


def preload(config: "dict[str, Any]") -> "tuple[Any, bool]":
    """Import the app under its GC policy; the app, and whether workers collect."""
    sys.path[:0] = [path for path in config["path"] if path not in sys.path]
    policy = config["gc"]
    if policy in ("freeze", "off"):
        gc.disable()
    elif policy != "default":
        gc.set_threshold(*(int(word) for word in policy.split(",")))
    app = apps.load_wsgi(config["target"], config["factory"])
    if config["prepare"]:
        apps.load(config["prepare"])()
    collect = gc.isenabled() or policy == "freeze"
    if policy == "freeze":
        gc.freeze()
    return app, collect


def told(error: BaseException) -> "tuple[str, str]":
    """An exception in one line, and its traceback from the app's first frame on."""
    trace = error.__traceback__
    here = os.path.dirname(__file__)
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == here:
        trace = trace.tb_next
    line = "".join(traceback.format_exception_only(type(error), error)).strip()
    return line, "".join(traceback.format_exception(type(error), error, trace)) if trace else line


def compiled_since(begun: int) -> int:
    """How many loaded modules had their bytecode written after `begun` (nanoseconds since the epoch)."""
    count = 0
    for module in list(sys.modules.values()):
        spec = vars(module).get("__spec__") if type(module) is ModuleType else None
        try:
            count += bool(spec and spec.cached and os.stat(spec.cached).st_mtime_ns > begun - 20_000_000)  # file times lag a clock tick
        except OSError:
            continue
    return count


def warm_up() -> None:
    """Run the harness's own code until it stops changing, so that what it writes to itself is shared by all forks."""
    near, far = socket.socketpair()
    environ = {"REQUEST_METHOD": "GET"}
    with near, far:
        for _ in range(_WARM_UPS):
            wire.send(near, ("request", environ, False))
            worker.handle(far, worker.quiet_app)
            while wire.receive(near) != ("done", 1):
                pass


def in_throwaway_fork(function: Callable[[], int]) -> int:
    """What `function` returns in a fork that then ends."""
    near, far = socket.socketpair()
    with near, far:
        pid = fork_into(lambda: wire.send(far, (function(),)))
        (result,) = receive_message(near)
        wait(pid)
    assert isinstance(result, int)
    return result


def other_threads() -> "list[str]":
    """The names of threads alive beside the main one: they will not exist in workers."""
    threading = sys.modules.get("threading")
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()] if threading else []
    unnamed = len(os.listdir("/proc/self/task")) - 1 - len(names)
    return names + ["a thread Python does not know"] * unnamed


def serve(control: socket.socket, app: Any, after_fork: "str | None", collect: bool, table: "memoryview[int]") -> None:
    """Fork a twin and a worker, or reap one, whenever the pytest process asks. Keeps nothing between two requests."""
    while True:
        try:
            kind, *rest = receive_message(control)
        except EOFError:
            return
        if kind == "fork":
            fork_pair(control, app, after_fork, collect, table)
        elif kind == "reap":
            wire.send(control, ("reaped", *(wait(pid) for pid in rest)))


def receive_message(sock: socket.socket) -> wire.Message:
    """The next frame, which is no raw one here."""
    message = wire.receive(sock)
    assert isinstance(message, tuple)
    return message


def fork_pair(control: socket.socket, app: Any, after_fork: "str | None", collect: bool, table: "memoryview[int]") -> None:
    """Fork twin and worker back to back, each on the socket that came along for it."""
    _, fds, _, _ = socket.recv_fds(control, 1, 2)
    twin_socket, worker_socket = (socket.socket(fileno=fd) for fd in fds)

    def be_twin() -> None:
        control.close()
        worker_socket.close()
        worker.idle(twin_socket)

    def be_worker() -> None:
        control.close()
        twin_socket.close()
        worker.work(worker_socket, app, after_fork, collect, table)

    with twin_socket, worker_socket:
        twin = fork_into(be_twin)
        pid = fork_into(be_worker)
    wire.send(control, ("forked", twin, pid))


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
    except BaseException as error:
        traceback.print_exception(type(error), error, error.__traceback__)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def wait(pid: int) -> "int | None":
    """Reap `pid`: its exit code, minus the signal that ended it, None where the app's own SIGCHLD handling took it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None
