"""What this machine gives for measuring, what each lack costs, and what to do about it. Runs in the `cowmem doctor` process."""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from pytest_cowmem.measure import kernel
from pytest_cowmem.measure.machine import HUGE_PAGES, transparent_huge_pages

# What a child of this process finds out about itself: whether address randomisation could be turned off.
_FIX_ADDRESSES = "import sys; from pytest_cowmem.zygote import process; sys.exit(not process.fix_addresses())"


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fatal`: nothing can be measured without it. `lack` says what its absence costs and how to mend that."""

    name: str
    found: str
    good: bool = True
    fatal: bool = False
    lack: str = ""


def examine() -> list[Finding]:
    """Look at everything, a child of this process standing in for a worker."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        return [
            _platform(),
            needed("smaps_rollup", lambda: kernel.memory(child.pid), "private, uss and growth: Linux 4.14 or later, and /proc", fatal=True),
            needed(
                "pagemap", lambda: kernel.private_pages(child.pid, child.pid), "copied and fresh: CONFIG_PROC_PAGE_MONITOR", fatal=False
            ),
            needed("clear_refs", lambda: kernel.reset_peak(child.pid), "peak: CONFIG_PROC_PAGE_MONITOR", fatal=False),
            _process_memory(child.pid),
            _address_randomisation(),
            huge_pages(),
            ptrace_scope(),
            _cgroup(),
            _python(),
        ]
    finally:
        child.kill()
        child.communicate()


def report(findings: Sequence[Finding]) -> tuple[str, int]:
    """The table with its advice, and the exit code: 1 when measuring is impossible."""
    rows = [
        [finding.name, finding.found, "ok" if finding.good else "impossible without" if finding.fatal else "limited"]
        for finding in findings
    ]
    lines = [tabulate(rows, headers=["what", "found", "verdict"], disable_numparse=True)]
    lines += [f"{finding.name}: {finding.lack}" for finding in findings if not finding.good]
    impossible = any(finding.fatal and not finding.good for finding in findings)
    lines.append("measuring is impossible here" if impossible else "this machine can measure")
    return "\n".join(lines), int(impossible)


def _platform() -> Finding:
    linux = sys.platform.startswith("linux")
    return Finding("platform", f"{platform.system()} {platform.release()}", linux, True, "measured tests are skipped: run them on Linux")


def needed(name: str, read: Callable[[], object], needed_for: str, *, fatal: bool) -> Finding:
    """Whether `read` works."""
    try:
        read()
    except (OSError, KeyError) as error:
        return Finding(name, type(error).__name__, False, fatal, f"needed for {needed_for}")
    return Finding(name, "readable")


def _process_memory(pid: int) -> Finding:
    """Read one byte of the child, as an explanation would."""
    try:
        start = next(kernel.ranges(pid))[0]
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            os.pread(memory.fileno(), 1, start)
    except (OSError, StopIteration) as error:
        return Finding("/proc/PID/mem", type(error).__name__, False, False, "a worker's bytes cannot be read; figures are not affected")
    return Finding("/proc/PID/mem", "readable")


def _address_randomisation() -> Finding:
    off = subprocess.run([sys.executable, "-c", _FIX_ADDRESSES], check=False).returncode == 0
    lack = (
        "private bytes vary by some 100 KiB from run to run, and as much more is tolerated; "
        "in Docker, run with --security-opt seccomp=unconfined, or with a profile that allows personality(2)"
    )
    return Finding("personality", "randomisation can be turned off" if off else "refused", off, False, lack)


def huge_pages(setting: Path = HUGE_PAGES) -> Finding:
    """Whether the kernel hands out huge pages unasked."""
    mode = transparent_huge_pages(setting)
    lack = "memory is un-shared up to 2 MiB at a time: set /sys/kernel/mm/transparent_hugepage/enabled to madvise where baselines are made"
    return Finding("huge pages (THP)", mode, mode != "always", False, lack)


def ptrace_scope(setting: Path = Path("/proc/sys/kernel/yama/ptrace_scope")) -> Finding:
    """Whether Yama lets a process read its descendants."""
    scope = setting.read_text().strip() if setting.exists() else "no Yama"
    lack = "a worker's pages cannot be read by its own ancestor: set kernel.yama.ptrace_scope to 1"
    return Finding("ptrace scope", scope, scope not in ("2", "3"), False, lack)


def _cgroup(root: Path = Path("/sys/fs/cgroup")) -> Finding:
    """The memory limit of this process's own control group, version 2."""
    lines = Path("/proc/self/cgroup").read_text().splitlines() if Path("/proc/self/cgroup").exists() else []
    path = next((line.partition("::")[2].lstrip("/") for line in lines if line.startswith("0::")), "")
    limit = root / path / "memory.max"
    return Finding("cgroup memory limit", limit.read_text().strip() if limit.exists() else "none")


def _python() -> Finding:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    debug = bool(sysconfig.get_config_var("Py_DEBUG"))
    build = ", ".join(word for word, true in (("free-threaded", free_threaded), ("debug", debug)) if true) or "release"
    lack = "this build lays out memory unlike a release build: its figures hold for itself alone"
    return Finding("Python", f"{platform.python_implementation()} {platform.python_version()}, {build}", build == "release", False, lack)
