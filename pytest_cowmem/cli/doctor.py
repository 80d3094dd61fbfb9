"""What this machine gives for measuring, what each lack costs, and what to do about it. Runs in the `cowmem doctor` process."""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tabulate import tabulate

from pytest_cowmem.host import procfs
from pytest_cowmem.host.machine import HUGE_PAGES, transparent_huge_pages
from pytest_cowmem.model import units
from pytest_cowmem.zygote import process

Verdict = Literal["ok", "not needed", "limited", "impossible without"]

_PAGE_MONITOR = "built with CONFIG_PROC_PAGE_MONITOR"
_LIMITS = ("memory.limit_in_bytes", "memory.max", "memory.high")  # the first is version 1's


@dataclass(frozen=True)
class Finding:
    """One thing looked at, what its lack costs, and what to do about that. "not needed": it lacks, and nothing here asks for it."""

    name: str
    found: str
    verdict: Verdict
    cost: str
    mend: str


def examine() -> list[Finding]:
    """Look at everything, a child of this process standing in for a worker."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        return [
            _platform(),
            needed(
                "smaps_rollup",
                lambda: procfs.memory(child.pid),
                "impossible without",
                "private, uss and growth cannot be had",
                f"use Linux 4.14 or later, {_PAGE_MONITOR}, with /proc mounted",
            ),
            needed(
                "pagemap",
                lambda: procfs.private_pages(child.pid, child.pid),
                "limited",
                "copied, fresh and explanations cannot be had",
                f"use a kernel {_PAGE_MONITOR}",
            ),
            needed(
                "clear_refs",
                lambda: procfs.reset_peak(child.pid),
                "limited",
                "peak and returned cannot be had",
                f"use a kernel {_PAGE_MONITOR}, with /proc mounted writable",
            ),
            needed(
                "/proc/PID/mem",
                lambda: _first_byte(child.pid),
                "not needed",
                "costs no figure and no report: nothing here reads it",
                "leave it, or give pytest CAP_SYS_PTRACE for a debugger's sake",
            ),
            _address_randomisation(),
            huge_pages(),
            ptrace_scope(),
            cgroup_limit(),
            python_build(),
        ]
    finally:
        child.kill()
        child.communicate()


def report(findings: Sequence[Finding]) -> tuple[str, int]:
    """The table with its advice, and the exit code: 1 when measuring is impossible."""
    rows = [[finding.name, finding.found, finding.verdict] for finding in findings]
    lines = [tabulate(rows, headers=["what", "found", "verdict"], disable_numparse=True)]
    lines += [
        f"{finding.name}: {finding.cost}; {finding.mend}"
        for finding in findings
        if finding.verdict != "ok"
    ]
    impossible = any(finding.verdict == "impossible without" for finding in findings)
    lines.append("measuring is impossible here" if impossible else "this machine can measure")
    return "\n".join(lines), int(impossible)


def _platform() -> Finding:
    verdict: Verdict = "ok" if sys.platform.startswith("linux") else "impossible without"
    return Finding(
        "platform",
        f"{platform.system()} {platform.release()}",
        verdict,
        "measured tests are skipped",
        "run them on Linux",
    )


def needed(
    name: str, read: Callable[[], object], without: Verdict, cost: str, mend: str
) -> Finding:
    """Whether `read` works; the verdict `without` it."""
    try:
        read()
    except (OSError, LookupError, StopIteration) as error:
        return Finding(name, type(error).__name__, without, cost, mend)
    return Finding(name, "readable", "ok", cost, mend)


def _first_byte(pid: int) -> None:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        os.pread(memory.fileno(), 1, next(procfs.ranges(pid))[0])


def _address_randomisation() -> Finding:
    with process.fixed_addresses():
        off = process.addresses_are_fixed()
    cost = "private bytes vary by some 100 KiB from run to run, and as much more is tolerated"
    mend = "in Docker, run with --security-opt seccomp=unconfined, or with a profile that allows personality(2)"
    return Finding(
        "personality",
        "randomisation can be turned off" if off else "refused",
        "ok" if off else "limited",
        cost,
        mend,
    )


def huge_pages(setting: Path = HUGE_PAGES) -> Finding:
    """Whether the kernel hands out huge pages unasked. Since Linux 5.8 (commit 3917c80280c9) writing to a shared one copies 4 KiB of it."""
    mode = transparent_huge_pages(setting)
    cost = (
        "new memory becomes private up to 2 MiB at a time, and before Linux 5.8 copied memory too"
    )
    mend = f"set {HUGE_PAGES} to madvise where baselines are made"
    return Finding("huge pages (THP)", mode, "limited" if mode == "always" else "ok", cost, mend)


def ptrace_scope(setting: Path = Path("/proc/sys/kernel/yama/ptrace_scope")) -> Finding:
    """Whether Yama lets a process attach to its descendants.

    That is PTRACE_MODE_ATTACH, which /proc/PID/mem asks for; smaps_rollup and pagemap ask for PTRACE_MODE_READ, which Yama leaves alone
    (ptrace(2), the kernel's Documentation/admin-guide/LSM/Yama.rst).
    """
    scope = setting.read_text().strip() if setting.exists() else "no Yama"
    allowed = (
        "refused to everybody until a reboot" if scope == "3" else "left to who has CAP_SYS_PTRACE"
    )
    cost = f"costs no figure and no report, since smaps_rollup and pagemap stay readable; debuggers and /proc/PID/mem are {allowed}"
    mend = (
        "leave it"
        if scope == "3"
        else "leave it, or set procfs.yama.ptrace_scope to 1 for a debugger's sake"
    )
    return Finding("ptrace scope", scope, "not needed" if scope in ("2", "3") else "ok", cost, mend)


def cgroup_limit(root: Path = Path("/")) -> Finding:
    """The least memory limit of this process's control group and of those around it, where it is less than the machine's memory."""
    cost = "near a limit the kernel swaps pages out, which private and copied then miss, or kills a worker"
    mend = (
        "leave room for the master and its forks (docker run --memory, MemoryMax= of a systemd unit), "
        "and have /sys/fs/cgroup mounted where the limit is unknown"
    )
    try:
        limits = [
            (limit, file)
            for limit, file in _memory_limits(root)
            if limit < os.sysconf("SC_PHYS_PAGES") * procfs.PAGE
        ]
    except (OSError, LookupError):
        return Finding("cgroup memory limit", "unknown", "limited", cost, mend)
    if not limits:
        return Finding("cgroup memory limit", "none", "ok", cost, mend)
    limit, file = min(limits)
    return Finding(
        "cgroup memory limit", f"{units.render(limit, 'bytes')} ({file})", "limited", cost, mend
    )


def _memory_limits(root: Path) -> list[tuple[int, Path]]:
    """Limits in bytes and the files that set them (cgroups(7)); LookupError where this process's group cannot be seen.

    The memory controller is in one hierarchy: version 1's of that name, else version 2's, whose name is empty.
    """
    groups: dict[str, PurePosixPath] = {}
    listed = root / "proc/self/cgroup"
    for line in listed.read_text().splitlines() if listed.exists() else ():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), PurePosixPath(path))
    controller = "memory" if "memory" in groups else ""
    if controller not in groups:
        return []
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        (top, point), (kind, _, options) = mount.split()[3:5], system.split(" ", 2)
        mounted = (
            kind == "cgroup2"
            if not controller
            else kind == "cgroup" and controller in options.split(",")
        )
        if mounted and groups[controller].is_relative_to(top):
            folder, group = root / point.lstrip("/"), groups[controller].relative_to(top)
            if (folder / group).is_dir():
                files = [
                    folder / part / name for part in (group, *group.parents) for name in _LIMITS
                ]
                return [
                    (int(text), file)
                    for file in files
                    if file.exists() and (text := file.read_text().strip()) != "max"
                ]
    raise LookupError


def python_build(config: Callable[[str], object] = sysconfig.get_config_var) -> Finding:
    """What kind of build runs pytest, and so the measured processes."""
    words = [
        word
        for word, name in (("free-threaded", "Py_GIL_DISABLED"), ("debug", "Py_DEBUG"))
        if config(name)
    ]
    found = f"{platform.python_implementation()} {platform.python_version()}, {', '.join(words) or 'release'}"
    cost = (
        "this build lays out memory unlike a release build, and its figures hold for itself alone"
    )
    mend = "run pytest with the build that production runs, and make the baseline with it"
    return Finding("Python", found, "limited" if words else "ok", cost, mend)
