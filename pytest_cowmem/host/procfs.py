"""What the kernel says of another process: memory, pages, state and CPU time.

Runs in the pytest process; reading a descendant needs no privilege. Sources: proc(5), the kernel's
Documentation/filesystems/proc.rst and Documentation/admin-guide/mm/pagemap.rst.
"""

import mmap
import os
import pwd
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import compress, groupby
from pathlib import Path

PROC = Path("/proc")
PAGE = mmap.PAGESIZE

BEYOND = 1 << 63  # only the vsyscall page at the top lies there, which has no pagemap
_ENTRY_BYTES = 8  # pagemap: 64 bits a page; the topmost byte holds bits 56 to 63
_EXCLUSIVE, _FILE, _SWAPPED, _PRESENT = 0x01, 0x20, 0x40, 0x80
# Fields of stat, counted from the third: proc(5).
_STATE, _PARENT, _FLAGS, _CHILD_MINFLT, _CHILD_MAJFLT, _START_TIME = 0, 1, 6, 8, 10, 19
_START_STACK, _ARG_START, _EXIT_CODE = 25, 45, 49
_EXITING, _FORKED_NOT_EXECUTED = 0x04, 0x40  # PF_EXITING, PF_FORKNOEXEC
# Tables for bytes.translate: the topmost byte of an entry becomes 1 where the name holds.
_IS_OWN = bytes(bool(flags & _PRESENT and flags & _EXCLUSIVE) for flags in range(256))
_IS_PRIVATE = bytes(own and not flags & _FILE for flags, own in enumerate(_IS_OWN))
_IS_THERE = bytes(bool(flags & (_PRESENT | _SWAPPED)) for flags in range(256))


@dataclass(frozen=True)
class Memory:
    """What smaps_rollup says of a process, in bytes.

    `pss` has of each page the process's share, and `pss_no_file` of those that no file on a disk
    backs. `hugetlb` is private huge pages.
    """

    rss: int
    pss: int
    private_clean: int
    private_dirty: int
    hugetlb: int
    pss_no_file: int = 0

    @property
    def uss(self) -> int:
        """All private bytes: what would be freed if the process ended."""
        return self.private_clean + self.private_dirty + self.hugetlb


def memory(pid: int, proc: Path = PROC) -> Memory:
    """Read smaps_rollup: about 2 ms for a process of 100 MiB."""
    fields = _kilobytes(proc / str(pid) / "smaps_rollup")
    return Memory(
        fields["Rss"],
        fields["Pss"],
        fields["Private_Clean"],
        fields["Private_Dirty"],
        fields.get("Private_Hugetlb", 0),
        fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0),
    )


def resident(pid: int, proc: Path = PROC) -> tuple[int, int]:
    """Resident bytes now and at most since the last `reset_peak` (VmRSS, VmHWM)."""
    fields = _kilobytes(proc / str(pid) / "status")
    return fields["VmRSS"], fields["VmHWM"]


def anonymous(pid: int, proc: Path = PROC) -> int:
    """Resident bytes that no file backs, as smaps_rollup counts them.

    RssAnon of status may be dozens of pages off, since processors count on their own (proc(5)).
    """
    return _kilobytes(proc / str(pid) / "smaps_rollup")["Anonymous"]


def mapped(pid: int, proc: Path = PROC) -> int:
    """Resident bytes that files back, whoever else has them: libraries mostly."""
    fields = _kilobytes(proc / str(pid) / "smaps_rollup")
    return fields["Rss"] - fields["Anonymous"]


def reader(pid: int, proc: Path = PROC) -> str:
    """The user who may read `memory`, beside whoever has CAP_SYS_PTRACE.

    It is root where a process has changed its user, and is "not dumpable" since (proc(5)).
    """
    user = (proc / str(pid) / "smaps_rollup").stat().st_uid
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


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
            own = alone(mine, start, end, shared)
            if 1 in own:
                twins = there(theirs, start, end)
                yield start // PAGE, own, twins.ljust(len(own), b"\0")


def own_pages(pid: int, proc: Path = PROC) -> set[int]:
    """The numbers of the pages that are a process's alone, as `private_ranges` has them."""
    found: set[int] = set()
    with open(proc / str(pid) / "pagemap", "rb", buffering=0) as pagemap:
        for start, end, shared in ranges(pid, proc):
            own = alone(pagemap, start, end, shared)
            if 1 in own:
                first = start // PAGE
                found.update(compress(range(first, first + len(own)), own))
    return found


def pages_there(pid: int, pages: Collection[int], proc: Path = PROC) -> set[int]:
    """Those of some pages that a process has."""
    found: set[int] = set()
    with open(proc / str(pid) / "pagemap", "rb", buffering=0) as pagemap:
        for first, last in _runs(sorted(pages)):
            flags = there(pagemap, first * PAGE, (last + 1) * PAGE)
            found.update(compress(range(first, first + len(flags)), flags))
    return found


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """The first and last of each run of numbers without a gap."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]


def there(pagemap: FileIO, start: int, end: int) -> bytes:
    """A byte for each page from `start` to `end`: 1 where there is one; fewer as `alone` has."""
    return _flags(pagemap, start, end).translate(_IS_THERE)


def alone(pagemap: FileIO, start: int, end: int, shared: bool) -> bytes:
    """A byte for each page from `start` to `end`: 1 where it is the process's alone.

    There are fewer where the address space ends. `pagemap` is the process's file of that name,
    `shared` whether the mapping is shared for writing.
    """
    return _flags(pagemap, start, end).translate(_IS_OWN if shared else _IS_PRIVATE)


def address_space(pid: int, proc: Path = PROC) -> int:
    """How many pages a process has mapped (the first field of statm)."""
    return int((proc / str(pid) / "statm").read_bytes().split(b" ", 1)[0])


def ranges(pid: int, proc: Path = PROC) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether shared for writing) of the address ranges; like neighbours are joined.

    What lies BEYOND is left out.
    """
    first, last, before = 0, 0, False
    for line in (proc / str(pid) / "maps").read_text().splitlines():
        span, mode = line.split(" ", 2)[:2]
        low, high = (int(address, 16) for address in span.split("-"))
        shared = mode[1] == "w" and mode[3] == "s"
        if low >= BEYOND:
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
    fields = _stat(pid, proc)
    return fields[_STATE] if fields else "X"


def thread_states(pid: int, proc: Path = PROC) -> list[str]:
    """Each thread's state letter; none when the process is gone."""
    tasks = proc / str(pid) / "task"
    try:
        numbers = [int(number) for number in os.listdir(tasks)]
    except FileNotFoundError:
        return []
    found = (_stat(number, tasks) for number in numbers)
    return [fields[_STATE] for fields in found if fields]


def all_blocked(pid: int, proc: Path = PROC) -> bool:
    """Whether each thread of a process is blocked in a system call, and has been meanwhile.

    One may wake another while they are looked at, and use CPU time for it.
    """
    before = cpu_time(pid)
    return set(thread_states(pid, proc)) == {"S"} and cpu_time(pid) == before


def is_ending(pid: int, proc: Path = PROC) -> bool:
    """Whether a process has ended or is about to, which PF_EXITING says before its files close."""
    fields = _stat(pid, proc)
    return not fields or fields[_STATE] in "ZX" or bool(int(fields[_FLAGS]) & _EXITING)


def exit_code(pid: int, proc: Path = PROC) -> int:
    """The exit code of a process that nobody has waited for, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(int(_stat(pid, proc)[_EXIT_CODE]))


def is_watched(inode: int, pid: int, proc: Path = PROC) -> bool:
    """Whether an epoll of a process watches the file of this inode.

    True where the process has no epoll, since it waits in another way then (proc(5), fdinfo).
    """
    files = [_text(path) for path in (proc / str(pid) / "fdinfo").iterdir()]
    watched = [line for text in files for line in text.splitlines() if line.startswith("tfd:")]
    return not watched or any(f" ino:{inode:x} " in line for line in watched)


def threads(pid: int, proc: Path = PROC) -> int:
    """How many threads a process has, the main one included."""
    return len(os.listdir(proc / str(pid) / "task"))


def forks(pid: int, proc: Path = PROC) -> list[int]:
    """The live descendants that run what the process itself runs, and so share its pages.

    PF_FORKNOEXEC (include/linux/sched.h) tells them, which fork sets and exec clears, whatever
    title a process takes. It is set in the forks of other programs too: `_same_exec` tells these.
    """
    mine = _stat(pid, proc)
    found = []
    for child in descendants(pid, proc):
        fields = _stat(child, proc)
        alive = fields and fields[_STATE] not in "ZX"
        if alive and int(fields[_FLAGS]) & _FORKED_NOT_EXECUTED and _same_exec(mine, fields):
            found.append(child)
    return found


def has_executed(pid: int, proc: Path = PROC) -> bool:
    """Whether a process has executed a program since it was forked; False when it is gone."""
    fields = _stat(pid, proc)
    return bool(fields) and not int(fields[_FLAGS]) & _FORKED_NOT_EXECUTED


def _same_exec(one: list[str], other: list[str]) -> bool:
    """Whether two processes may come of one exec, by the stat of each.

    It put their arguments on the stack. prctl(PR_SET_MM) can move these, off the stack, for a
    title. The kernel says 0 of both addresses where it may not say more.
    """
    stack, arguments = int(other[_START_STACK]), int(other[_ARG_START])
    if stack == 0 or arguments < stack:
        return other[_START_STACK] in ("0", one[_START_STACK])
    return (other[_START_STACK], other[_ARG_START]) == (one[_START_STACK], one[_ARG_START])


def endings(worker: int, parent: int, proc: Path = PROC) -> int:
    """A number that grows when a child of the worker ends, whether a fork or another program.

    It counts the page faults of children that were waited for (proc(5), cminflt and cmajflt), and
    the ended ones that nobody waited for, which the worker's parent may have adopted. It does not
    grow where the worker ignores SIGCHLD, or where the child's own parent lives on and has not
    waited for it.
    """
    fields = _stat(worker, proc)
    ended = [pid for pid in descendants(parent, proc) if state(pid, proc) == "Z"]
    return int(fields[_CHILD_MINFLT]) + int(fields[_CHILD_MAJFLT]) + len(ended)


def descendants(pid: int, proc: Path = PROC) -> Iterator[int]:
    """The children of all threads of a process, and their children. Needs CONFIG_PROC_CHILDREN."""
    for listing in (proc / str(pid) / "task").glob("*/children"):
        for child in map(int, _text(listing).split()):
            yield child
            yield from descendants(child, proc)


def parent(pid: int, proc: Path = PROC) -> int:
    """The process number of a process's parent; 0 when it is gone."""
    fields = _stat(pid, proc)
    return int(fields[_PARENT]) if fields else 0


def start_time(pid: int, proc: Path = PROC) -> int:
    """When a process began, in ticks of the clock since the machine did; 0 when it is gone."""
    fields = _stat(pid, proc)
    return int(fields[_START_TIME]) if fields else 0


def process_of(thread: int, proc: Path = PROC) -> int:
    """The process that a thread is of, by the thread's number. OSError when it is gone."""
    status = (proc / str(thread) / "status").read_text()
    return int(status.partition("\nTgid:")[2].split(maxsplit=1)[0])


def command(pid: int, proc: Path = PROC) -> str:
    """How a program was called; "" when it is gone."""
    return _text(proc / str(pid) / "cmdline").rstrip("\0").replace("\0", " ")


def _stat(pid: int, proc: Path) -> list[str]:
    """The fields of a process's stat; [] when gone."""
    return _fields(_text(proc / str(pid) / "stat"))


def _fields(stat: str) -> list[str]:
    """The fields of stat from the third on, since the second may hold anything."""
    return stat.rpartition(")")[2].split()


def _text(path: Path) -> str:
    """A file of a process that may be gone: empty then."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


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
