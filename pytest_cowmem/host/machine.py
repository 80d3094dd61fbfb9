"""The environment a measurement was made in. Runs in the pytest process."""

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.facts import Facts

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

Environment = dict[str, "str | int"]


def profile_key(environ: Mapping[str, str]) -> str:
    """What moves private bytes, and nothing else: OS, arch, page size, libc, Python, GIL, allocator of a process started with `environ`."""
    gil = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "gil"
    allocator = environ.get("PYTHONMALLOC") or (
        "debug" if environ.get("PYTHONDEVMODE") else "mimalloc" if gil != "gil" else "pymalloc"
    )
    preloaded = sorted(
        Path(name).name for name in environ.get("LD_PRELOAD", "").replace(":", " ").split()
    )
    debug = "d" if hasattr(sys, "gettotalrefcount") else ""  # as in a debug build's own name
    python = f"{sys.implementation.name}{sys.version_info.major}.{sys.version_info.minor}{debug}"
    words = [
        platform.system().lower(),
        platform.machine(),
        str(PAGE),
        libc().split()[0],
        python,
        gil,
        "+".join([allocator, *preloaded]),
    ]
    return "-".join(words)


def libc() -> str:
    """The C library and its version where it tells: "glibc 2.36"."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "musl"


def describe(facts: Facts) -> Environment:
    """What is recorded beside a profile, to be shown when it differs and not matched; `facts` are the zygote's."""
    return {
        "aslr": "off" if facts.fixed_addresses else "on",
        "cpu": cpu_model(),
        "gc_speed": facts.gc_speed,
        "kernel": platform.release(),
        "libc": libc(),
        "python": platform.python_version(),
        "thp": transparent_huge_pages(),
    }


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; its architecture where the kernel does not say."""
    for line in _text(cpuinfo).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def transparent_huge_pages(setting: Path = HUGE_PAGES) -> str:
    """The kernel's mode: always, madvise or never."""
    return _text(setting).partition("[")[2].partition("]")[0] or "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
