"""The readers of /proc, with a /proc made of files and with the real one."""

import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from pytest_cowmem.host import procfs
from pytest_cowmem.host.waiting import has_ended, wait_until_blocked, wait_until_still

PAGE = procfs.PAGE
PRESENT, SWAPPED, FILE, EXCLUSIVE = 1 << 63, 1 << 62, 1 << 61, 1 << 56

SMAPS_ROLLUP = """\
5655a0000000-7ffc00000000 ---p 00000000 00:00 0                          [rollup]
Rss:               13448 kB
Pss:                4021 kB
Shared_Dirty:       9000 kB
Private_Clean:       140 kB
Private_Dirty:      3016 kB
Anonymous:          2880 kB
{hugetlb}THPeligible:           0
"""


@pytest.fixture
def process(tmp_path):
    """`process(pid, file=text_or_bytes, ...)` makes /proc/PID."""

    def make(pid, **files):
        folder = tmp_path / str(pid)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return make


@pytest.fixture
def child():
    """A process that sleeps."""
    command, pipe = [sys.executable, "-c", "print('x', flush=True); input()"], subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe)
    assert process.stdout
    assert process.stdout.readline() == b"x\n"
    yield process
    process.kill()
    process.communicate()


def pagemap(pages):
    """Return the bytes of a pagemap with these entries by page number, and zeros between them."""
    entries = [pages.get(number, 0) for number in range(max(pages) + 1)]
    return struct.pack(f"={len(entries)}Q", *entries)


def test_memory(process, tmp_path):
    process(1, smaps_rollup=SMAPS_ROLLUP.format(hugetlb=""))
    assert procfs.memory(1, tmp_path) == procfs.Memory(
        rss=13448 * 1024,
        pss=4021 * 1024,
        private_clean=140 * 1024,
        private_dirty=3016 * 1024,
        hugetlb=0,
    )
    process(2, smaps_rollup=SMAPS_ROLLUP.format(hugetlb="Private_Hugetlb:    2048 kB\n"))
    assert procfs.memory(2, tmp_path).uss == (140 + 3016 + 2048) * 1024


def test_anonymous(process, tmp_path):
    process(1, smaps_rollup=SMAPS_ROLLUP.format(hugetlb=""), status="RssAnon:\t 2752 kB\n")
    assert procfs.anonymous(1, tmp_path) == 2880 * 1024


def test_mapped(process, tmp_path):
    process(1, smaps_rollup="Rss:  13400 kB\nAnonymous:  2880 kB\nFilePmdMapped:  0 kB\n")
    assert procfs.mapped(1, tmp_path) == (13400 - 2880) * 1024


def test_resident(process, tmp_path):
    process(1, status="Name:\tpython\nVmHWM:\t   13500 kB\nVmRSS:\t   13400 kB\nThreads:\t1\n")
    assert procfs.resident(1, tmp_path) == (13400 * 1024, 13500 * 1024)


def test_reset_peak_writes_a_five(process, tmp_path):
    folder = process(1, clear_refs="")
    procfs.reset_peak(1, tmp_path)
    assert (folder / "clear_refs").read_text() == "5"


def test_ranges_joins_neighbours_and_leaves_vsyscall_out(process, tmp_path):
    process(
        1,
        maps="00001000-00003000 r--p 00000000 fe:00 7 /usr/bin/python3 (deleted)\n"
        "00003000-00004000 r-xp 00002000 fe:00 7 /usr/bin/python3\n"
        "00008000-00009000 rw-p 00000000 00:00 0 [heap]\n"
        "00009000-0000b000 rw-s 00000000 00:01 5 /dev/zero (deleted)\n"
        "0000b000-0000c000 r--s 00000000 00:01 6 /dev/zero (deleted)\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
    )
    assert list(procfs.ranges(1, tmp_path)) == [
        (0x1000, 0x4000, False),
        (0x8000, 0x9000, False),
        (0x9000, 0xB000, True),
        (0xB000, 0xC000, False),
    ]


def test_ranges_of_a_process_without_memory(process, tmp_path):
    process(1, maps="")
    assert list(procfs.ranges(1, tmp_path)) == []


def test_private_pages_are_told_apart_by_the_twins(process, tmp_path):
    """There is a page of each kind in two ranges, and two pages in a range shared for writing.

    Another process has one of those two.
    """
    mine = PRESENT | EXCLUSIVE
    ranges = [(1, 9, "rw-p", "00:00 0"), (20, 22, "rw-p", "00:00 0"), (22, 24, "rw-s", "00:01 5")]
    maps = "".join(
        f"{start * PAGE:x}-{end * PAGE:x} {rights} 0 {device}\n"
        for start, end, rights, device in ranges
    )
    worker = dict.fromkeys((1, 2, 3, 8, 20, 21), mine)
    worker |= {4: PRESENT, 5: mine | FILE, 6: SWAPPED, 22: mine | FILE, 23: PRESENT | FILE}
    twin = {1: PRESENT, 2: SWAPPED, 4: PRESENT, 5: PRESENT, 6: PRESENT, 20: PRESENT | EXCLUSIVE}
    process(1, maps=maps, pagemap=pagemap(worker))
    process(2, pagemap=pagemap(twin))
    copied, fresh = [1, 2, 20], [3, 8, 21, 22]  # the twin's pagemap ends before 21
    assert procfs.count_private_pages(1, 2, tmp_path) == (len(copied), len(fresh))


def test_state(process, tmp_path):
    process(1, stat="1 (a) b) c) Z 0 1 1")
    assert procfs.state(1, tmp_path) == "Z"
    assert procfs.state(2, tmp_path) == "X"


def stat(parent, stack, arguments, flags=0x40, state="S"):
    """A stat whose first field is the third."""
    fields = [state, str(parent), *["0"] * 46]
    fields[6], fields[25], fields[45] = str(flags), str(stack), str(arguments)
    return f"1 (a) b) {' '.join(fields)}\n"


@pytest.mark.parametrize(
    ("child", "shares"),
    [
        (stat(1, 5000, 6000), True),
        (stat(1, 5000, 6000, flags=0x400000), False),  # has executed a program
        (stat(1, 5000, 6000, state="Z"), False),
        (stat(1, 5000, 6019), False),  # the fork of another program
        (stat(1, 4984, 6000), False),
        (stat(1, 5000, 300), True),  # moved its arguments for a title
        (stat(1, 4984, 300), False),
        (stat(1, 0, 0), True),  # does not let itself be looked at
    ],
)
def test_forks_are_told_by_what_they_cannot_rename(process, tmp_path, child, shares):
    """The child is that of a program that the process has started."""
    for pid, text, children in ((1, stat(0, 5000, 6000), "2"), (2, stat(1, 5, 6, 0), "3 4")):
        thread = process(pid, stat=text) / "task" / str(pid)
        thread.mkdir(parents=True)
        (thread / "children").write_text(children)  # 4 has ended meanwhile
    process(3, stat=child)
    assert procfs.forks(1, tmp_path) == ([3] if shares else [])


def test_state_of_a_real_process(child):
    give_up = time.monotonic() + 10
    while procfs.state(child.pid) != "S" and time.monotonic() < give_up:
        pass
    assert procfs.state(child.pid) == "S"
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.state(child.pid) == "Z"
    child.wait()
    assert procfs.state(child.pid) == "X"


def test_memory_of_this_process_follows_what_it_writes():
    before = procfs.memory(os.getpid())
    area = mmap.mmap(-1, 1000 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(1000):
        area[page * PAGE] = 1
    after = procfs.memory(os.getpid())
    assert after.private_dirty - before.private_dirty == pytest.approx(1000 * PAGE, abs=30 * PAGE)
    assert after.uss >= after.private_dirty
    assert after.rss >= after.uss


def test_the_peak_outlives_what_caused_it_until_it_is_reset():
    procfs.reset_peak(os.getpid())
    area = mmap.mmap(-1, 5000 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.write(b"x" * len(area))
    area.close()
    now, most = procfs.resident(os.getpid())
    assert most - now > 4000 * PAGE
    procfs.reset_peak(os.getpid())
    now, most = procfs.resident(os.getpid())
    assert most - now < 1000 * PAGE


def test_cpu_time_is_the_processs_own(child):
    wait_until_blocked(child.pid)
    before = procfs.cpu_time(child.pid)
    assert before > 0
    assert procfs.cpu_time(os.getpid()) >= time.process_time_ns() - 10**9
    assert procfs.cpu_time(child.pid) == before


def test_a_process_is_blocked_when_each_of_its_threads_is():
    assert not procfs.all_blocked(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        wait_until_still(sleeping.pid)
        assert procfs.all_blocked(sleeping.pid)
        sleeping.kill()


def test_what_ended_is_told_from_what_lives_and_how():
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        assert not procfs.is_ending(sleeping.pid)
        sleeping.kill()
        assert has_ended(sleeping.pid)
        assert procfs.is_ending(sleeping.pid)
        assert procfs.exit_code(sleeping.pid) == -signal.SIGKILL
    assert procfs.is_ending(sleeping.pid)


def test_an_epoll_tells_which_files_it_watches():
    one, other = socket.socketpair()
    with one, other, select.epoll() as epoll:
        epoll.register(one)
        inodes = [os.fstat(end.fileno()).st_ino for end in (one, other)]
        assert [procfs.is_watched(inode, os.getpid()) for inode in inodes] == [True, False]
