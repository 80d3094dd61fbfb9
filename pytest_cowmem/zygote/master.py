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

from pytest_cowmem.zygote import pauses, process, wire, worker
from pytest_cowmem.zygote.serve import load

# CPython 3.11 specialises the code that forks at its eighth call, which moved 3 to 4 pages; before the app is loaded a fork is cheap.
# The two that follow the app, to time collections and to take the layout, are those that leave other pages behind than the later ones.
_FORKS_BEFORE = 10
_WARM_UPS = 50  # CPython specialises a code object within its first dozens of calls; after that it is no longer written to


def run(control: socket.socket, once_more: bool) -> bool:
    """Preload, then fork until the pytest process is gone. False: source was compiled on the way, so start over from its bytecode.

    A process that compiled has another heap than one that loaded bytecode, which is what a server in production does.
    """
    config: dict[str, Any] = wire.receive_message(control)[1]
    (table_fd,) = receive_fds(control, 1)
    for _ in range(_FORKS_BEFORE):
        in_throwaway_fork(os.getpid)
    begun = time.time_ns()
    facts: dict[str, Any] = {"harness": list(sys.modules)}
    try:
        app = preload(config)
        if (
            compiled_since(begun) and once_more
        ):  # in this order: looking leaves its marks in the heap, and the second start needs them too
            sys.stdout.flush()
            wire.send(control, ("again",))
            return False
        collect = prepare(config)
    except BaseException as error:  # an import may raise SystemExit too
        wire.send(control, ("failed", *told(error)))
        return True
    leave_stdin()
    table = pauses.shared_table(table_fd)
    worker.rehearse(_WARM_UPS)
    gc.disable()  # an idle master does not collect, and a collection here would differ from fork to fork
    facts["gc_speed"] = in_throwaway_fork(pauses.calibrate)
    facts |= {
        "pid": os.getpid(),
        "layout": in_throwaway_fork(layout),
        "fixed_addresses": process.addresses_are_fixed(),
        "gc_enabled": collect,
        "gc_thresholds": gc.get_threshold(),
        "gc_frozen": gc.get_freeze_count(),
        "threads": other_threads(),
        "modules": list(sys.modules),
    }
    wire.send(control, ("started", facts))
    del facts
    serve(control, app, config, collect, table)
    return True


def preload(config: "dict[str, Any]") -> Any:
    """Import the app, and the module of its `prepare`, under its GC policy."""
    sys.path[:0] = [path for path in config["path"] if path not in sys.path]
    policy = config["gc"]
    if policy in ("freeze", "off"):
        gc.disable()
    elif policy != "default":
        gc.set_threshold(*(int(word) for word in policy.split(",")))
    app = load.load_wsgi(config["target"], config["factory"])
    if config["prepare"]:
        load.load(config["prepare"])
    return app


def prepare(config: "dict[str, Any]") -> bool:
    """Do what comes between import and fork, once even where the app is imported twice; whether workers collect."""
    if config["prepare"]:
        load.load(config["prepare"])()
    collect = gc.isenabled() or config["gc"] == "freeze"
    if config["gc"] == "freeze":
        gc.freeze()
    return collect


def told(error: BaseException) -> "tuple[str, str]":
    """An exception in one line, and its traceback from the app's first frame on."""
    trace = error.__traceback__
    here = os.path.dirname(__file__) + os.sep
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    line = "".join(traceback.format_exception_only(type(error), error)).strip()
    return line, "".join(traceback.format_exception(type(error), error, trace)) if trace else line


def compiled_since(begun: int) -> int:
    """How many loaded modules had their bytecode written after `begun` (nanoseconds since the epoch)."""
    count = 0
    for module in list(sys.modules.values()):
        spec = vars(module).get("__spec__") if type(module) is ModuleType else None
        try:
            count += bool(
                spec and spec.cached and os.stat(spec.cached).st_mtime_ns > begun - 20_000_000
            )  # file times lag a clock tick
        except OSError:
            continue
    return count


def leave_stdin() -> None:
    """Give the app an empty standard input; until here it was the control socket, in case of another exec."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def layout() -> int:
    """A digest of where modules and what they hold lie in memory: equal ones mean that objects share pages in the same way.

    A changed environment variable, path or line of source moves objects to other pages, and private memory with them by some pages.
    """
    modules = [module for module in sys.modules.values() if type(module) is ModuleType]
    return hash(
        tuple(id(value) for module in modules for value in (module, *vars(module).values()))
    )


def in_throwaway_fork(function: Callable[[], int]) -> int:
    """What `function` returns in a fork that then ends."""
    near, far = socket.socketpair()
    with near, far:
        pid = fork_into(lambda: wire.send(far, (function(),)))
        (result,) = wire.receive_message(near)
        wait(pid)
    assert isinstance(result, int)
    return result


def other_threads() -> "list[str]":
    """The names of threads alive beside the main one: they will not exist in workers."""
    threading = sys.modules.get("threading")
    names = (
        [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if threading
        else []
    )
    unnamed = len(os.listdir("/proc/self/task")) - 1 - len(names)
    return names + ["a thread Python does not know"] * unnamed


def serve(
    control: socket.socket,
    app: Any,
    config: "dict[str, Any]",
    collect: bool,
    table: "memoryview[int]",
) -> None:
    """Fork a twin for every round and wait for its end, until the pytest process is gone.

    The twin does what a round takes, so that this process stays as it is and every round starts from the same image: with the round's own
    messages handled here, the free lists moved from fork to fork, and a Flask worker's private memory with them, by up to 7 pages.
    """
    while kind := control.recv(1):
        life = be_twin if kind == wire.MEASURED else be_traced_twin
        code = wait(fork_into(lambda: life(control, app, config, collect, table)))  # noqa: B023  # it is run at once
        if code:
            sys.exit(
                f"the idle twin of a worker ended with code {code} before its round did: let the app and the test leave it alone"
            )


def receive_fds(control: socket.socket, count: int) -> "list[int]":
    """Descriptors from the pytest process, not to be inherited by what the app executes (recv_fds ignores MSG_CMSG_CLOEXEC)."""
    fds = socket.recv_fds(control, 1, count)[1]
    for fd in fds:
        os.set_inheritable(fd, False)
    return fds


def be_twin(
    control: socket.socket,
    app: Any,
    config: "dict[str, Any]",
    collect: bool,
    table: "memoryview[int]",
) -> None:
    """Fork the worker on the socket that comes along for it, then hold its image untouched, until told to reap it."""
    (fd,) = receive_fds(control, 1)
    pid = fork_worker(
        control, fd, lambda far: worker.work(far, app, config["after_fork"], collect, table)
    )
    try:
        wire.receive(control)
    except EOFError:  # the pytest process is gone
        process.end_children()
        return
    reap(control, pid)


def be_traced_twin(
    control: socket.socket,
    app: Any,
    config: "dict[str, Any]",
    collect: bool,
    table: "memoryview[int]",
) -> None:
    """The same with a worker that keeps account of its page faults; the twin answers about objects before it reaps."""
    fd, maps = receive_fds(control, 2)
    counted, loaded = gc.get_count()[0], frozenset(sys.modules)
    from pytest_cowmem.zygote.trace import traced_round

    def be_worker(far: socket.socket) -> None:
        traced_round.arm()
        worker.work(far, traced_round.attended(app), config["after_fork"], collect, table)

    traced_round.prepare(
        maps, [*config["path"], *traced_round.app_folders(config["target"])], counted
    )
    pid = fork_worker(control, fd, be_worker)
    try:
        while (kind := wire.receive_message(control)[0]) != "reap":
            try:
                answer = traced_round.answer_in_twin(kind, loaded)
            except Exception as error:
                answer = ("failed", *told(error))
            wire.send(control, answer)
    except EOFError:  # the pytest process is gone
        process.end_children()
        return
    reap(control, pid)


def fork_worker(control: socket.socket, fd: int, life: Callable[[socket.socket], None]) -> int:
    """Fork a worker that leads its `life` on the socket `fd`, and tell the pytest process; the worker's pid."""

    def be_worker() -> None:
        control.close()
        life(far)

    process.adopt_orphans()
    with socket.socket(fileno=fd) as far:
        pid = fork_into(be_worker)
    wire.send(control, ("forked", os.getpid(), pid))
    return pid


def reap(control: socket.socket, pid: int) -> None:
    """Wait for the worker's end, end what it left running, and tell the pytest process its exit code."""
    code = wait(pid)
    process.end_children()
    wire.send(control, ("reaped", code))


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
