"""`cowmem doctor`: what this machine gives for measuring, and what each lack costs.

Runs in a process of its own. Each check looks at one thing and returns a Finding; `report` prints.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from pytest_cowmem.host import cgroups, procfs
from pytest_cowmem.host.machine import HUGE_PAGES, Build, transparent_huge_pages
from pytest_cowmem.model import units
from pytest_cowmem.zygote import process

Verdict = Literal["ok", "limited", "impossible without"]

_PAGE_MONITOR = "built with CONFIG_PROC_PAGE_MONITOR"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what its lack costs, and how to mend that."""

    name: str
    found: str
    verdict: Verdict
    cost: str
    mend: str


def run(_: argparse.Namespace) -> int:
    """Print what was found; returns 1 when measuring is impossible, else 0."""
    text, code = report(examine())
    print(text)
    return code


def report(findings: Sequence[Finding]) -> tuple[str, int]:
    """(the table with a line of advice for each lack, the exit code)."""
    rows = [(finding.name, finding.found, finding.verdict) for finding in findings]
    lines = [tabulate(rows, headers=["what", "found", "verdict"], disable_numparse=True)]
    for finding in findings:
        if finding.verdict != "ok":
            lines.append(f"{finding.name}: {finding.cost}; {finding.mend}")
    impossible = any(finding.verdict == "impossible without" for finding in findings)
    lines.append("measuring is impossible here" if impossible else "this machine can measure")
    return "\n".join(lines), int(impossible)


def examine() -> list[Finding]:
    """Look at everything, with a child of this process in the place of a worker."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        return [
            _system(),
            *_worker_files(child.pid),
            _address_randomisation(),
            huge_pages(),
            cgroup_limit(),
            python_build(),
        ]
    finally:
        child.kill()
        child.communicate()


def _system() -> Finding:
    return Finding(
        "platform",
        f"{platform.system()} {platform.release()}",
        "ok" if sys.platform.startswith("linux") else "impossible without",
        "measured tests are skipped",
        "run them on Linux",
    )


def _worker_files(pid: int) -> list[Finding]:
    return [
        needed(
            "smaps_rollup",
            lambda: procfs.memory(pid),
            "impossible without",
            "private, uss and growth cannot be had",
            f"use Linux 4.14 or later, {_PAGE_MONITOR}, with /proc mounted",
        ),
        needed(
            "pagemap",
            lambda: procfs.count_private_pages(pid, pid),
            "limited",
            "copied, fresh and explanations cannot be had",
            f"use a kernel {_PAGE_MONITOR}",
        ),
        needed(
            "clear_refs",
            lambda: procfs.reset_peak(pid),
            "limited",
            "peak and returned cannot be had",
            f"use a kernel {_PAGE_MONITOR}, with /proc mounted writable",
        ),
    ]


def needed(
    name: str, read: Callable[[], object], without: Verdict, cost: str, mend: str
) -> Finding:
    """Whether `read` works; `without` is the verdict when it does not."""
    try:
        read()
    except (OSError, LookupError) as error:
        return Finding(name, type(error).__name__, without, cost, mend)
    return Finding(name, "readable", "ok", cost, mend)


def _address_randomisation() -> Finding:
    with process.fixed_addresses():
        fixed = process.addresses_are_fixed()
    return Finding(
        "personality",
        "randomisation can be turned off" if fixed else "refused",
        "ok" if fixed else "limited",
        "private bytes vary by some 100 KiB from run to run, and as much more is tolerated",
        "in Docker, run with --security-opt seccomp=unconfined, "
        "or with a profile that allows personality(2)",
    )


def huge_pages(setting: Path = HUGE_PAGES) -> Finding:
    """Whether the kernel hands out huge pages unasked.

    Since Linux 5.8 (commit 3917c80280c9) a write to a shared huge page copies 4 KiB of it.
    pymalloc of CPython 3.15 asks for huge pages by madvise(2). That counts as ok: workers of
    3.15.2 dirtied as much with them as without (1,000 to 400,000 new objects, Linux 6.18).
    """
    mode = transparent_huge_pages(setting)
    return Finding(
        "huge pages (THP)",
        mode,
        "limited" if mode == "always" else "ok",
        "new memory becomes private up to 2 MiB at a time, and before Linux 5.8 copied memory too",
        f"set {HUGE_PAGES} to madvise where baselines are made",
    )


def cgroup_limit(root: Path = Path("/")) -> Finding:
    """The lowest memory limit of the control groups around this process."""
    found: str = "none"
    verdict: Verdict = "ok"
    try:
        limit = cgroups.lowest_memory_limit(root)
    except (OSError, LookupError):
        found, verdict = "unknown", "limited"
    else:
        if limit is not None:
            found = f"{units.render(limit.amount, 'bytes')} ({limit.file})"
            verdict = "limited"
    return Finding(
        "cgroup memory limit",
        found,
        verdict,
        "near a limit the kernel swaps pages out, which private and copied then miss, "
        "or kills a worker",
        "leave room for the master and its forks (docker run --memory, MemoryMax= of a systemd "
        "unit), and have /sys/fs/cgroup mounted where the limit is unknown",
    )


def python_build(build: Build | None = None) -> Finding:
    """What kind of build runs pytest, and so the measured processes."""
    build = build or Build.running()
    kinds = []
    if build.free_threaded:
        kinds.append("free-threaded")
    if build.debug:
        kinds.append("debug")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return Finding(
        "Python",
        f"{python}, {', '.join(kinds) or 'release'}",
        "limited" if kinds else "ok",
        "this build lays out memory unlike a release build, and its figures hold for itself alone",
        "run pytest with the build that production runs, and make the baseline with it",
    )
