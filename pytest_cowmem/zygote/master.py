"""Play the master of a preforking server: import the app, apply its GC policy, then only fork.

Runs in the zygote.
"""

import gc
import importlib
import os
import socket
import sys
import time
from types import ModuleType
from typing import Any

from pytest_cowmem.zygote import (
    ballast,
    bytecode,
    messages,
    pauses,
    process,
    start,
    twin,
    wire,
    worker,
)
from pytest_cowmem.zygote.errors import described
from pytest_cowmem.zygote.forks import fork_into, in_throwaway_fork, wait
from pytest_cowmem.zygote.serve import interfaces
from pytest_cowmem.zygote.serve.load import load

# CPython 3.11 specialises the code that forks at its eighth call, which moved 3 to 4 pages. Before
# the app is loaded a fork is cheap, and before anything that varies from start to start all that it
# leaves behind is the same. The two forks after the app, to time collections and to take the
# layout, are those that leave other pages behind than later ones.
_FORKS_BEFORE = 10
# CPython specialises a code object within its first dozens of calls, and then writes to it no more.
_WARM_UPS = 50


def run(control: socket.socket, once_more: bool) -> "str | None":
    """Preload, then fork until the pytest process is gone; None then.

    Where source was compiled on the way, the zygote has to start over from the byte code. The
    folder for it comes back then, "" where it was written beside the source.
    """
    for _ in range(_FORKS_BEFORE):
        in_throwaway_fork(os.getpid)
    config: dict[str, Any] = wire.receive_message(control)[1]
    (table_fd,) = wire.receive_fds(control, 1)
    # Before all is settled, so that the app's objects lie where they do without it.
    if config["raw"]:
        importlib.import_module("pytest_cowmem.zygote.mold")
    if config.get("tree"):
        importlib.import_module("pytest_cowmem.zygote.tree")
    start.take_path(config["path"])
    start.take_environment(*config.pop("environ"))
    begun = time.time_ns()
    harness = list(sys.modules)
    kept = start.settle()
    try:
        kept += ballast.keep(config["seed"])
        preloaded = preload(config)
        if config["functions"]:
            kept += brought_by(config["functions"])[1]
        # Looking comes first: it leaves its marks in the heap, and the second start needs them too.
        compiled, lacking = bytecode.since(begun)
        elsewhere = config["bytecode"] if lacking and not bytecode.is_elsewhere() else ""
        if elsewhere or (compiled and once_more):
            sys.stdout.flush()
            wire.send(control, (messages.AGAIN, process.anonymous_bytes() if elsewhere else 0))
            return str(elsewhere)
        preloaded.collects = prepare(config)
    except BaseException as error:  # an import may raise SystemExit too
        wire.send(control, (messages.FAILED, *described(error)))
        return None
    leave_stdin()
    preloaded.table = pauses.shared_table(table_fd)
    if not config["raw"]:
        come_to_rest(preloaded)
    wire.send(control, (messages.STARTED, facts(config, harness, kept, preloaded.collects)))
    serve(control, preloaded)
    return None


def preload(config: "dict[str, Any]") -> worker.Preloaded:
    """Import the app, and the module of its `prepare`, under its GC policy."""
    policy = config["gc"]
    if policy in ("freeze", "off"):
        gc.disable()
    elif policy != "default":
        gc.set_threshold(*(int(word) for word in policy.split(",")))
    brought = [brought_by(name) for name in config["preload"]]
    app, name = interfaces.load_app(config["target"], config["factory"], config["interface"])
    if config["prepare"]:
        load(config["prepare"])
    config["interface"], config["brought"] = name, brought
    return worker.Preloaded(app, interfaces.interface(name), config)


def brought_by(name: str) -> "tuple[str, int, int]":
    """Import a module; its name, and the bytes and modules that it brought."""
    from pytest_cowmem.zygote.importing import anonymous  # only where something is preloaded

    rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    before, modules = anonymous(rollup), len(sys.modules)
    __import__(name)
    brought = name, anonymous(rollup) - before, len(sys.modules) - modules
    os.close(rollup)
    return brought


def prepare(config: "dict[str, Any]") -> bool:
    """Do what comes between import and fork; whether workers collect.

    It is done once, even where the app is imported twice.
    """
    if config["prepare"]:
        load(config["prepare"])()
    return gc.isenabled() or config["gc"] == "freeze"


def come_to_rest(preloaded: worker.Preloaded, freeze: bool = False) -> None:
    """Do what comes last before the first fork, under the app's GC policy; or freeze all the same.

    Where the app collects, it is chance how much garbage its import leaves, and a worker allocates
    where garbage was. So there is none. An idle master does not collect: that would differ from
    fork to fork.
    """
    if freeze or preloaded.gc == "freeze":
        gc.freeze()
    elif gc.isenabled() and not pauses.has_frozen():
        gc.collect()
    worker.rehearse(preloaded.interface, _WARM_UPS)
    gc.disable()


def leave_stdin() -> None:
    """Give the app an empty standard input.

    It was the control socket until here, in case of another exec.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def facts(
    config: "dict[str, Any]", harness: "list[str]", kept: int, collects: bool
) -> "dict[str, Any]":
    """The facts of this master for the pytest process; model/facts.py describes them.

    It forks where the speed is known too, since each fork leaves pages behind.
    """
    known = config["gc_speed"]
    return {
        "harness": harness,
        "ballast": kept,
        "interface": config["interface"],
        "brought": config["brought"],
        "gc_speed": in_throwaway_fork(lambda: known or pauses.calibrate()),
        "layout": in_throwaway_fork(lambda: layout(frozenset(harness))),
        "fixed_addresses": process.addresses_are_fixed(),
        "gc_enabled": collects,
        "gc_thresholds": gc.get_threshold(),
        "gc_frozen": gc.get_freeze_count(),
        "threads": other_threads(),
        "modules": list(sys.modules),
    }


def layout(harness: "frozenset[str]") -> int:
    """A digest of where the app's modules and what they hold lie in memory.

    Equal digests mean that objects share pages in the same way. A changed path or line of source
    moves objects to other pages, and private memory by some pages with them. What was loaded before
    the app, `harness`, may lie elsewhere: that is settled when the app is loaded (start.py).
    """
    before: set[int] = set()
    addresses: list[int] = []
    for name, module in sys.modules.items():
        if type(module) is ModuleType:
            found = [id(module), *map(id, vars(module).values())]
            if name in harness:
                before.update(found)
            else:
                addresses += found
    return hash(tuple(address for address in addresses if address not in before))


def other_threads() -> "list[str]":
    """The names of threads alive beside the main one: they will not exist in workers."""
    names = []
    threading = sys.modules.get("threading")
    if threading:
        main = threading.main_thread()
        names = [thread.name for thread in threading.enumerate() if thread is not main]
    unnamed = len(os.listdir("/proc/self/task")) - 1 - len(names)
    return names + ["a thread Python does not know"] * unnamed


def collect(control: socket.socket, _preloaded: worker.Preloaded) -> None:
    """Say what a full collection costs here. Runs in a fork of the zygote."""
    wire.send(control, (messages.COLLECTED, *pauses.full_collection()))


_LIVES = {
    messages.MEASURED: twin.be_twin,
    messages.TRACED: twin.be_traced_twin,
    messages.MOLD: twin.be_twin_of_mold,
    messages.COLLECT: collect,
}


def serve(control: socket.socket, preloaded: worker.Preloaded) -> None:
    """Fork what is asked for, a round's twin mostly, and wait for its end.

    That goes on until the pytest process is gone.
    """
    while kind := control.recv(1):
        life = _LIVES[kind]
        code = wait(fork_into(lambda: life(control, preloaded)))  # noqa: B023  # it is run at once
        if code:
            sys.exit(
                f"the idle twin of a worker ended with code {code} before its round did: "
                "let the app and the test leave it alone"
            )
