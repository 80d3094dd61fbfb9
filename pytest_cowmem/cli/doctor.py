"""`cowmem doctor`: what this machine gives for measuring. Runs in a process of its own.

A new check is a new line in CHECKS.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from tabulate import tabulate

from pytest_cowmem.host import cgroups, procfs
from pytest_cowmem.host.machine import HUGE_PAGES, Build, transparent_huge_pages
from pytest_cowmem.model import units
from pytest_cowmem.zygote import process, tree

HELP = "what this machine gives for measuring; exit code 1 when it is impossible"

Grade = Literal["ok", "limited", "impossible without"]
Finding = tuple[str, Grade]

_PAGE_MONITOR = "built with CONFIG_PROC_PAGE_MONITOR"


class Check(NamedTuple):
    """One thing to look at, what its lack costs, and how to mend that.

    `look` returns a finding. It gets the process number of a child that stands for a worker.
    """

    name: str
    look: Callable[[int], Finding]
    cost: str
    mend: str


def arguments(_: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace) -> int:
    """Print what this machine gives; returns 1 when measuring is impossible, else 0."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        text, code = report(CHECKS, child.pid)
    finally:
        child.kill()
        child.communicate()
    print(text)
    return code


def report(checks: Iterable[Check], pid: int) -> tuple[str, int]:
    """(the table with a line of advice for each lack, the exit code)."""
    rows, advice = [], []
    for check in checks:
        what, grade = check.look(pid)
        rows.append((check.name, what, grade))
        if grade != "ok":
            advice.append(f"{check.name}: {check.cost}; {check.mend}")
    table = tabulate(rows, headers=["what", "found", "verdict"], disable_numparse=True)
    impossible = any(grade == "impossible without" for _, _, grade in rows)
    end = "measuring is impossible here" if impossible else "this machine can measure"
    return "\n".join([table, *advice, end]), int(impossible)


def system(_: int) -> Finding:
    """The operating system."""
    linux = sys.platform.startswith("linux")
    return f"{platform.system()} {platform.release()}", "ok" if linux else "impossible without"


def readable(read: Callable[[int], object], without: Grade) -> Callable[[int], Finding]:
    """A look at whether `read` works; `without` is the grade when it does not."""

    def look(pid: int) -> Finding:
        try:
            read(pid)
        except (OSError, LookupError) as error:
            return type(error).__name__, without
        return "readable", "ok"

    return look


def address_randomisation(_: int) -> Finding:
    """Whether programs can be started at the same addresses each time."""
    with process.fixed_addresses():
        fixed = process.addresses_are_fixed()
    return ("randomisation can be turned off", "ok") if fixed else ("refused", "limited")


def huge_pages(_: int, setting: Path = HUGE_PAGES) -> Finding:
    """Whether the kernel hands out huge pages unasked.

    A write to a shared huge page copies 4 KiB of it since Linux 5.8 (commit 3917c80280c9).
    CPython 3.15's pymalloc asks for huge pages by madvise(2). That counts as ok: workers of
    3.15.2 dirtied as much with them as without (1,000 to 400,000 new objects, Linux 6.18).
    """
    mode = transparent_huge_pages(setting)
    return mode, "limited" if mode == "always" else "ok"


def cgroup_limit(_: int, root: Path = Path("/")) -> Finding:
    """The lowest memory limit of the control groups around this process."""
    try:
        limit = cgroups.lowest_memory_limit(root)
    except (OSError, LookupError):
        return "unknown", "limited"
    if limit is None:
        return "none", "ok"
    amount, file = limit
    return f"{units.render(amount, 'bytes')} ({file})", "limited"


def python_build(_: int, build: Build | None = None) -> Finding:
    """What kind of build runs pytest, and so the measured processes."""
    build = build or Build.running()
    kinds = {"free-threaded": build.free_threaded, "debug": build.debug}
    departs = [kind for kind, applies in kinds.items() if applies]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {', '.join(departs) or 'release'}", "limited" if departs else "ok"


def byte_code(_: int) -> Finding:
    """Whether Python may keep the byte code of modules beside their source, in this folder."""
    if sys.dont_write_bytecode:
        return "PYTHONDONTWRITEBYTECODE is set", "limited"
    return ("writable", "ok") if os.access(".", os.W_OK) else ("read-only folder", "limited")


def notifications(_: int, proc: Path = procfs.PROC) -> Finding:
    """Whether the kernel can tell when a process forks or ends (proc(5), seccomp(2))."""
    actions = proc / "sys/kernel/seccomp/actions_avail"
    tells = actions.exists() and "user_notif" in actions.read_text().split()
    known = os.uname().machine in tree.CALLS
    return ("notifications", "ok") if tells and known else ("no notifications", "limited")


CHECKS = (
    Check("platform", system, "measured tests are skipped", "run them on Linux"),
    Check(
        "smaps_rollup",
        readable(procfs.memory, "impossible without"),
        "private, uss and growth cannot be had",
        f"use Linux 4.14 or later, {_PAGE_MONITOR}, with /proc mounted",
    ),
    Check(
        "pagemap",
        readable(lambda pid: procfs.count_private_pages(pid, pid), "limited"),
        "copied, fresh and explanations cannot be had",
        f"use a kernel {_PAGE_MONITOR}",
    ),
    Check(
        "clear_refs",
        readable(procfs.reset_peak, "limited"),
        "peak and returned cannot be had",
        f"use a kernel {_PAGE_MONITOR}, with /proc mounted writable",
    ),
    Check(
        "children",
        readable(lambda pid: Path(f"/proc/{pid}/task/{pid}/children").read_text(), "limited"),
        "a fork that a worker leaves behind is not seen, and hides the pages that both share",
        "use a kernel built with CONFIG_PROC_CHILDREN",
    ),
    Check(
        "seccomp",
        notifications,
        "with App(..., tree=True), children that end within a request are in no figure",
        "use Linux 5.7 or later on x86-64 or AArch64, built with CONFIG_SECCOMP_FILTER",
    ),
    Check(
        "personality",
        address_randomisation,
        "every start has another layout, and a test that would be red is measured in up to five",
        "in Docker, run with --security-opt seccomp=unconfined, "
        "or with a profile that allows personality(2)",
    ),
    Check(
        "huge pages (THP)",
        huge_pages,
        "new memory becomes private up to 2 MiB at a time, and before Linux 5.8 copied memory too",
        f"set {HUGE_PAGES} to madvise where baselines are made",
    ),
    Check(
        "byte code",
        byte_code,
        "a master that compiles its source at each start is larger, and its workers differ; the "
        "figures are of one that has byte code",
        "let production have byte code too (python -m compileall)",
    ),
    Check(
        "cgroup memory limit",
        cgroup_limit,
        "near a limit the kernel swaps pages out, which private and copied then miss, "
        "or kills a worker",
        "leave room for the master and its forks (docker run --memory, MemoryMax= of a systemd "
        "unit), and have /sys/fs/cgroup mounted where the limit is unknown",
    ),
    Check(
        "Python",
        python_build,
        "this build lays out memory unlike a release build, and its figures hold for itself alone",
        "run pytest with the build that production runs, and make the baseline with it",
    ),
)
