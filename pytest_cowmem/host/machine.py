"""The environment a measurement was made in. Runs in the pytest process."""

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.model.facts import Facts

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

Environment = dict[str, "str | int"]


@dataclass(frozen=True)
class Build:
    """What of an interpreter moves private bytes.

    `large_arenas` stands for `configure --with-pymalloc-hugepages` (CPython 3.15, configure.rst):
    pymalloc's arenas have 2 MiB instead of 1 MiB.
    """

    name: str
    version: tuple[int, int, int]
    debug: bool = False
    free_threaded: bool = False
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
        """Whether the garbage collector is the incremental one.

        Only CPython 3.14.0 to 3.14.4 have it; 3.14.5 and 3.15 are generational again. Without a
        GIL there is another collector. The version decides, since no attribute names the kind.
        """
        return not self.free_threaded and (3, 14, 0) <= self.version < (3, 14, 5)


def profile_key(environ: Mapping[str, str], build: Build | None = None) -> str:
    """The name of all that moves private bytes, for a process started with `environ`.

    It has OS, architecture, page size, libc, Python, GIL and allocator, joined by hyphens. The
    words for the collector and for large arenas come in only where a build departs from the rest.
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
        words.append("hugepages" if _asks_for_huge_pages(environ) else "arenas2m")
    words.append("+".join([_allocator(environ, build), *_preloaded(environ)]))
    return "-".join(words)


def _asks_for_huge_pages(environ: Mapping[str, str]) -> bool:
    """Whether arenas are mapped with MAP_HUGETLB, where the build can (cmdline.rst of 3.15)."""
    return environ.get("PYTHON_PYMALLOC_HUGEPAGES", "") not in ("", "0")


def _allocator(environ: Mapping[str, str], build: Build) -> str:
    if environ.get("PYTHONMALLOC"):
        return environ["PYTHONMALLOC"]
    if environ.get("PYTHONDEVMODE"):
        return "debug"
    return "mimalloc" if build.free_threaded else "pymalloc"


def _preloaded(environ: Mapping[str, str]) -> list[str]:
    """The file names in LD_PRELOAD, sorted. Spaces and colons separate them (ld.so(8))."""
    files = environ.get("LD_PRELOAD", "").replace(":", " ").split()
    return sorted(Path(file).name for file in files)


def unverified(build: Build | None = None) -> str:
    """What the summary has to say of figures that nobody verified; "" where there is nothing."""
    if (build or Build.running()).free_threaded:
        return "this is a free-threaded build of Python: its figures are unverified"
    return ""


def libc() -> str:
    """The C library and its version where it tells: "glibc 2.36"."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "musl"


def describe(facts: Facts) -> Environment:
    """What is recorded beside a profile. It is shown when it differs, and never matched.

    `facts` is what the zygote said of itself.
    """
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
