"""`cowmem live`: what a running master and its workers have. Runs in a process of its own."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence

import psutil
from tabulate import tabulate

from pytest_cowmem.cli.amounts import size
from pytest_cowmem.host.family import Family, Member, read
from pytest_cowmem.model import capacity
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.units import render

HELP = "what a running master and its workers share, and what each has for itself"

_COLUMNS = ("shared", "private", "pss", "uss", "rss")
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_MOST_PROGRAMS = 3
_SHOWN = 60  # characters of a command
_LONGEST = 86_400  # seconds between two readings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("pid", type=_pid, metavar="PID", help="the master's process id")
    parser.add_argument("--watch", type=_seconds, metavar="SECONDS", help="read again and again")
    parser.add_argument("--json", action="store_true", help="an object a reading, a line each")
    host = "what a host has for master and workers (default: 1 GiB)"
    parser.add_argument(
        "--host-memory", type=size, metavar="SIZE", default=capacity.HOST, help=host
    )


def run(options: argparse.Namespace) -> int:
    """Print a reading, or one after another; returns 1 where there is no master, else 0."""
    shown = as_json if options.json else as_text
    has_read = False
    try:
        process = psutil.Process(options.pid)
        while True:
            print(shown(read(process), options.host_memory), flush=True)
            has_read = True
            if options.watch is None:
                return 0
            time.sleep(options.watch)
    except (psutil.NoSuchProcess, UsageError) as error:
        if has_read:  # which ends a watch
            print(f"cowmem: process {options.pid} has ended", file=sys.stderr)
            return 0
        missing = f"there is no process {options.pid}: give the id of a master that runs"
        says = str(error) if isinstance(error, UsageError) else missing
    except KeyboardInterrupt:  # how a watch ends
        return 0
    print(f"cowmem: {says}", file=sys.stderr)
    return 1


def as_text(family: Family, host: int) -> str:
    """A table with a row a process, and sentences below it."""
    rows = [
        (one.pid, "worker" if number else "master", _age(one.age), *_cells(one))
        for number, one in enumerate(family.members)
    ]
    sides = ["right", "left", *["right"] * 6]
    headers = ["pid", "role", "age", *_COLUMNS]
    table = tabulate(rows, headers=headers, colalign=sides, disable_numparse=True)
    return "\n".join([table, "", *_sentences(family, host)])


def as_json(family: Family, host: int) -> str:
    """One object; bytes, seconds, and null for what is not known.

    `cpu` is what this reading took, and `cpu_so_far` what the command has.
    """
    processes = [
        {"pid": one.pid, "role": "worker" if number else "master", "age": round(one.age, 1)}
        | dict(zip(_COLUMNS, _amounts(one), strict=True))
        for number, one in enumerate(family.members)
    ]
    told = {
        "processes": processes,
        "programs": [vars(one) for one in family.programs],
        "pss": family.pss,
        "host": host,
        "workers": family.capacity(host),
        "cpu": family.cpu / 10**9,
        "cpu_so_far": time.process_time(),
    }
    return json.dumps(told)


def _amounts(member: Member) -> list[int | None]:
    memory = member.memory
    if memory is None:
        return [None for _ in _COLUMNS]
    shared = memory.rss + memory.hugetlb - memory.uss
    return [shared, memory.private_dirty, memory.pss, memory.uss, memory.rss]


def _cells(member: Member) -> list[str]:
    return ["-" if amount is None else render(amount, "bytes") for amount in _amounts(member)]


def _age(seconds: float) -> str:
    length, name = next((it for it in _AGES if seconds >= it[0]), _AGES[-1])
    return f"{seconds / length:.0f} {name}"


def _sentences(family: Family, host: int) -> Iterator[str]:
    hidden = [one for one in family.members if one.memory is None]
    if hidden:
        pids = ", ".join(str(one.pid) for one in hidden)
        yield f"the memory of {pids} may not be read: run this as {_readers(hidden)}"
    workers, pss, worker = family.capacity(host), family.pss, family.worker
    if not family.workers and not hidden:
        yield "it has no workers: none of its descendants runs what it runs itself"
    elif workers is not None and pss is not None and worker is not None:
        yield (
            f"all take {render(pss, 'bytes')} (sum of PSS), and one more worker as these "
            f"{render(worker, 'bytes')}: {render(host, 'bytes')} holds {workers} workers"
        )
    for program in family.programs[:_MOST_PROGRAMS]:
        yield (
            f"{program.pid} ({program.command[:_SHOWN]}) shares nothing with it, and has forks of "
            f"its own: cowmem live {program.pid}"
        )
    so_far = time.process_time_ns()
    yield (
        f"reading this took {render(family.cpu, 'ns')} of CPU time, "
        f"and the command {render(so_far, 'ns')} so far"
    )


def _readers(hidden: Sequence[Member]) -> str:
    """Who may read all of them."""
    root = "root with CAP_SYS_PTRACE"
    users = {one.reader for one in hidden}
    return root if len(users) > 1 or users == {"root"} else f"{users.pop()}, or as {root}"


def _pid(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no process id: give one such as 4242")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: give seconds, such as 5")
    return seconds
