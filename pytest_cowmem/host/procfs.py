"""What the kernel says of another process: memory, pages, state and CPU time.

Runs in the pytest process; reading a descendant needs no privilege. Sources: proc(5), the kernel's
Documentation/filesystems/proc.rst and Documentation/admin-guide/mm/pagemap.rst.
"""

import mmap
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

PROC = Path("/proc")
PAGE = mmap.PAGESIZE

_ENTRY_BYTES = 8  # pagemap: 64 bits a page; the topmost byte holds bits 56 to 63
_EXCLUSIVE, _FILE, _SWAPPED, _PRESENT = 0x01, 0x20, 0x40, 0x80
# Tables for bytes.translate: the topmost byte of an entry becomes 1 where the name holds.
_IS_OWN = bytes(bool(flags & _PRESENT and flags & _EXCLUSIVE) for flags in range(256))
_IS_PRIVATE = bytes(own and not flags & _FILE for flags, own in enumerate(_IS_OWN))
_IS_THERE = bytes(bool(flags & (_PRESENT | _SWAPPED)) for flags in range(256))


@dataclass(frozen=True)
class Memory:
    """What smaps_rollup says of a process, in bytes. `hugetlb` is private huge pages."""

    rss: int
    private_clean: int
    private_dirty: int
    hugetlb: int

    @property
    def uss(self) -> int:
        """All private bytes: what would be freed if the process ended."""
        return self.private_clean + self.private_dirty + self.hugetlb


def memory(pid: int, proc: Path = PROC) -> Memory:
    """Read smaps_rollup: about 2 ms for a process of 100 MiB."""
    fields = _kilobytes(proc / str(pid) / "smaps_rollup")
    return Memory(
        fields["Rss"],
        fields["Private_Clean"],
        fields["Private_Dirty"],
        fields.get("Private_Hugetlb", 0),
    )


def resident(pid: int, proc: Path = PROC) -> tuple[int, int]:
    """Resident bytes now and at most since the last `reset_peak` (VmRSS, VmHWM)."""
    fields = _kilobytes(proc / str(pid) / "status")
    return fields["VmRSS"], fields["VmHWM"]


def anonymous(pid: int, proc: Path = PROC) -> int:
    """Resident bytes that no file backs (RssAnon; since Linux 4.5)."""
    return _kilobytes(proc / str(pid) / "status")["RssAnon"]


def reset_peak(pid: int, proc: Path = PROC) -> None:
    """Make the present resident size the highest one (clear_refs, value 5)."""
    (proc / str(pid) / "clear_refs").write_text("5")


def count_private_pages(worker: int, twin: int, proc: Path = PROC) -> tuple[int, int]:
    """(copied, fresh): how many pages are the worker's alone, with and without the twin's there.

    Bit 56 of pagemap, "exclusively mapped", says so, also without privileges.
    """
    copied = private = 0
    for _, alone, there in private_ranges(worker, twin, proc):
        private += alone.count(1)
        copied += (int.from_bytes(alone, "big") & int.from_bytes(there, "big")).bit_count()
    return copied, private - copied


def private_ranges(worker: int, twin: int, proc: Path = PROC) -> Iterator[tuple[int, bytes, bytes]]:
    """(first page's number, alone, there) for each address range with a page of the worker's alone.

    `alone` and `there` have a byte a page: 1 where it is the worker's alone, and where the twin
    has one. A page of a mapping shared for writing can be the worker's alone too: once written to,
    it counts as dirty.
    """
    with (
        open(proc / str(worker) / "pagemap", "rb", buffering=0) as mine,
        open(proc / str(twin) / "pagemap", "rb", buffering=0) as theirs,
    ):
        for start, end, shared in ranges(worker, proc):
            alone = _flags(mine, start, end).translate(_IS_OWN if shared else _IS_PRIVATE)
            if 1 in alone:
                there = _flags(theirs, start, end).translate(_IS_THERE)
                yield start // PAGE, alone, there.ljust(len(alone), b"\0")


def ranges(pid: int, proc: Path = PROC) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether shared for writing) of the address ranges; like neighbours are joined.

    The vsyscall page at the top is left out: it has no pagemap.
    """
    first, last, before = 0, 0, False
    for line in (proc / str(pid) / "maps").read_text().splitlines():
        span, mode = line.split(" ", 2)[:2]
        low, high = (int(address, 16) for address in span.split("-"))
        shared = mode[1] == "w" and mode[3] == "s"
        if low >= 1 << 63:
            continue
        if (low, shared) != (last, before):
            if last:
                yield first, last, before
            first, before = low, shared
        last = high
    if last:
        yield first, last, before


def _flags(pagemap: FileIO, start: int, end: int) -> bytes:
    """The topmost byte of each page's entry; fewer where the address space ends before `end`."""
    count = (end - start) // PAGE * _ENTRY_BYTES
    entries = os.pread(pagemap.fileno(), count, start // PAGE * _ENTRY_BYTES)
    return entries[_ENTRY_BYTES - 1 :: _ENTRY_BYTES]


def state(pid: int, proc: Path = PROC) -> str:
    """The main thread's state letter: R running, S blocked, Z ended, X when the process is gone."""
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def forks(pid: int, proc: Path = PROC) -> list[int]:
    """The children that have not executed another program, and so share the process's pages."""
    program = (proc / str(pid) / "cmdline").read_bytes()
    sharing = []
    for listing in (proc / str(pid) / "task").glob("*/children"):
        for child in listing.read_text().split():
            if (proc / child / "cmdline").read_bytes() == program:
                sharing.append(int(child))
    return sharing


def cpu_time(pid: int) -> int:
    """CPU nanoseconds of all threads of a process, by its own clock (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def _kilobytes(path: Path) -> dict[str, int]:
    """The `Name:  123 kB` lines of a file, in bytes."""
    fields = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            fields[name] = int(value[:-3]) * 1024
    return fields
