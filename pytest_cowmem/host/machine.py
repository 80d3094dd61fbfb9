"""The environment a measurement was made in. Runs in the pytest process."""

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.baseline import Environment
from pytest_cowmem.model.facts import Facts

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True)
class Build:
    """What of an interpreter moves private bytes."""

    name: str
    version: tuple[int, int, int]
    debug: bool = False
    free_threaded: bool = False
    # Arenas of 2 MiB instead of 1 MiB: configure --with-pymalloc-hugepages (3.15, configure.rst)
    large_arenas: bool = False

    @classmethod
    def running(cls) -> "Build":
        """The interpreter of this process, which also runs the zygotes."""
        return cls(
            sys.implementation.name,
            sys.version_info[:3],
            debug=hasattr(sys, "gettotalrefcount"),
            free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            large_arenas=bool(sysconfig.get_config_var("PYMALLOC_USE_HUGEPAGES")),
        )

    @property
    def incremental(self) -> bool:
        """Whether the collector is the incremental one: only 3.14.0 to 3.14.4 with a GIL have it.

        The version decides, since no attribute names the kind.
        """
        return not self.free_threaded and (3, 14, 0) <= self.version < (3, 14, 5)


def profile_key(environ: Mapping[str, str], build: Build | None = None) -> str:
    """The name of all that moves private bytes, for a process started with `environ`.

    The words for the collector and for large arenas come in only where a build departs.
    """
    build = build or Build.running()
    major, minor, _ = build.version
    words = [
        platform.system().lower(),
        platform.machine(),
        str(PAGE),
        libc().split()[0],
        f"{build.name}{major}.{minor}{'d' if build.debug else ''}",
        "free-threaded" if build.free_threaded else "gil",
    ]
    if build.incremental:
        words.append("incremental")
    if build.large_arenas:
        # Whether they are mapped with MAP_HUGETLB (cmdline.rst of 3.15)
        huge = environ.get("PYTHON_PYMALLOC_HUGEPAGES", "") not in ("", "0")
        words.append("hugepages" if huge else "arenas2m")
    preloaded = environ.get("LD_PRELOAD", "").replace(":", " ").split()  # as ld.so(8) does
    names = sorted(Path(file).name for file in preloaded)
    words.append("+".join([_allocator(environ, build), *names]))
    return "-".join(words)


def _allocator(environ: Mapping[str, str], build: Build) -> str:
    if environ.get("PYTHONMALLOC"):
        return environ["PYTHONMALLOC"]
    if environ.get("PYTHONDEVMODE"):
        return "debug"
    return "mimalloc" if build.free_threaded else "pymalloc"


def unverified(build: Build | None = None) -> str:
    """Why figures of this build may be wrong; "" where nothing says so."""
    if (build or Build.running()).free_threaded:
        return "this is a free-threaded build of Python: its figures are unverified"
    return ""


def libc() -> str:
    """The C library, with its version where it has one to give: "glibc 2.36"."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "musl"


def describe(facts: Facts) -> Environment:
    """What is recorded beside a profile. It is shown when it differs, and never matched."""
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
