"""What the descendants of a worker take, each at its highest. Runs in the pytest process.

A page is of the process that made it, by writing: pagemap says that it is mapped once. When that
process forks, its pages are shared with the fork, and are still its own. So they are noted before
each fork. Each descendant is read before it ends, before anybody in the tree sends a signal, and
when the worker is. A thread does so when the kernel tells (zygote/tree.py). What is left over, the
pages whose maker has dropped them and several descendants share, is told by PSS: summed over all
processes that come of one master, it has each page once.

No privilege is needed. What the test, or the kernel, kills is as it was when it was last read.
"""

import os
import select
import struct
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from fcntl import ioctl

from pytest_cowmem.host import procfs
from pytest_cowmem.host.preforked import Pair
from pytest_cowmem.model.child import Child
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.reading import Reading
from pytest_cowmem.zygote import tree

_REST_SECONDS, _A_MOMENT = 10.0, 0.05
_MOST_LETTERS = 80
# linux/seccomp.h: two ioctls and their structures, and SECCOMP_USER_NOTIF_FLAG_CONTINUE.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION, _RESPONSE = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
_CONTINUE = 1
_NOTHING = Reading(private=0, uss=0, cpu=0, resident=0, highest=0, copied=0, fresh=0)
_GONE = (OSError, LookupError)  # of a process that ends while it is read

Key = tuple[int, int]  # when a process began, and its number


@dataclass(frozen=True)
class _Seen:
    """A descendant: what it is, what the worker did when it began, and its reading at its highest.

    It may still be there when it `is_ending`, and is not read again.
    """

    what: str
    during: str
    highest: Reading = _NOTHING
    is_ending: bool = False


class Tree:
    """The descendants of a worker, from before it is ready to its end.

    `listener` is where the kernel tells of forks, signals and ends, None where it does not. `doing`
    is what the worker is asked for.
    """

    def __init__(self, pair: Pair, listener: int | None) -> None:
        self.doing = "getting ready"
        self.told = listener is not None
        self._worker, self._twin = pair.worker, pair.twin
        self._made: dict[int, set[int]] = defaultdict(set)  # pages, before they were shared
        self._seen: dict[Key, _Seen] = {}
        self._own_now: dict[int, int] = {}  # bytes of those that live
        self._others: set[int] = set()
        self._lock = threading.Lock()
        self._base = 0
        self._listener = listener
        self._closing = os.eventfd(0)
        self._thread = threading.Thread(target=self._listen, name="cowmem tree", daemon=True)
        if self.told:
            self._thread.start()

    def begin(self) -> None:
        """Take what all have now for what they had when the worker was ready."""
        own = set(procfs.descendants(self._worker)) | {self._worker}
        self._others = set(procfs.descendants(self._twin)) - own
        with self._lock:
            self._look_at_all()
            self._base = self._left_over()

    def look(self) -> None:
        """Read all descendants as they are, in case that one is killed from elsewhere."""
        with self._lock:
            self._look_at_all()

    def wait(self) -> None:
        """Wait until all descendants are at rest. CannotMeasure where one is not."""
        if not self._come_to_rest(_REST_SECONDS):
            raise CannotMeasure(
                f"descendants of the worker did not come to rest in {_REST_SECONDS:.0f} s: "
                "let the app or the test wait for them, or end them"
            )

    def settle(self) -> None:
        """Let descendants come to rest, if that takes no time."""
        self._come_to_rest(_A_MOMENT)

    def read(self, worker: Reading) -> tuple[Reading, Reading]:
        """(the worker's reading with what it shares with its forks, all descendants at theirs).

        `worker` is what was read of it alone, at this moment. It is exact where all are at rest.
        """
        with self._lock:
            self._look_at_all()
            _, kept = self._own(self._worker)
            there = len(procfs.pages_there(self._twin, kept))
            left_over = self._left_over() - self._base if self._living() else 0
            descendants = sum((seen.highest for seen in self._seen.values()), _NOTHING)
        pages = max(round(left_over / procfs.PAGE), 0)  # PSS is told in KiB, rounded down
        fresh = (len(kept) - there) * procfs.PAGE
        shared = replace(_own_bytes(len(kept)), copied=there * procfs.PAGE, fresh=fresh)
        return worker + shared, descendants + _own_bytes(pages)

    @property
    def children(self) -> tuple[Child, ...]:
        """Each descendant that was seen, the first one that began first."""
        with self._lock:
            ordered = [seen for _, seen in sorted(self._seen.items())]
        return tuple(Child(it.what, it.during, it.highest.private) for it in ordered)

    def close(self) -> None:
        """Listen no more. What is told afterwards fails (ENOSYS), so the tree has to have ended."""
        os.eventfd_write(self._closing, 1)
        if self._listener is not None:
            self._thread.join()
            os.close(self._listener)
        os.close(self._closing)

    def _living(self) -> list[int]:
        """The descendants that have not ended. The twin has adopted the worker's orphans."""
        return [
            pid
            for pid in procfs.descendants(self._twin)
            if pid not in self._others and pid != self._worker and procfs.state(pid) not in "ZX"
        ]

    def _come_to_rest(self, seconds: float) -> bool:
        """Wait until all descendants are blocked, and take no processor time; whether they are."""
        give_up = time.monotonic() + seconds
        before = None
        while time.monotonic() < give_up:
            now = [(pid, procfs.state(pid), _cpu(pid)) for pid in self._living()]
            if now == before and all(state in "StT" for _, state, _ in now):
                return True
            before = now
            time.sleep(0.001)
        return False

    def _look_at_all(self) -> None:
        self._own_now.clear()
        for pid in self._living():
            self._look_at(pid)

    def _look_at(self, pid: int, *, ending: bool = False) -> None:
        """Read a descendant. What it still shares when it ends is of those that live on."""
        with suppress(*_GONE):
            key = procfs.start_time(pid), pid
            seen = self._seen.get(key) or _Seen("fork", self.doing)
            if seen.is_ending:
                return
            alone, kept = self._own(pid)
            now = _own_bytes(len(alone) + len(kept))
            highest = max(seen.highest, now + _beside(pid), key=lambda reading: reading.private)
            self._own_now[pid] = now.private
            if ending:
                highest = highest - _own_bytes(len(kept))
                del self._own_now[pid]
                self._made.pop(pid, None)
            highest = replace(highest, cpu=max(_cpu(pid), seen.highest.cpu))
            self._seen[key] = _Seen(_program(pid) or seen.what, seen.during, highest, ending)

    def _own(self, pid: int) -> tuple[set[int], set[int]]:
        """The pages that a process has made: those it has alone, and those its forks have too."""
        alone = procfs.own_pages(pid)
        return alone, procfs.pages_there(pid, self._made[pid] - alone)

    def _left_over(self) -> int:
        """Bytes that the whole family has, each page once, but for those of a known maker."""
        root = self._worker
        while (parent := procfs.parent(root)) not in (0, 1, os.getpid()):
            root = parent
        family = 0
        for pid in (root, *procfs.descendants(root)):
            with suppress(*_GONE):
                family += procfs.memory(pid).pss_no_file
        own = sum(map(len, self._own(self._worker))) * procfs.PAGE
        return family - own - sum(self._own_now.values())

    def _listen(self) -> None:
        """Look, each time that the kernel tells of something, and let it go on."""
        assert self._listener is not None
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._closing, select.POLLIN)
        while dict(poll.poll()) == {self._listener: select.POLLIN}:
            told = bytearray(_NOTIFICATION.size)
            with suppress(OSError):  # whoever called may be gone by now
                ioctl(self._listener, _RECEIVE, told)
                number, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(told)
                try:
                    self._answer(thread, call, arguments)
                finally:
                    ioctl(self._listener, _SEND, _RESPONSE.pack(number, 0, 0, _CONTINUE))

    def _answer(self, thread: int, call: int, arguments: list[int]) -> None:
        """Look at the process that makes a system call, or at all where that may end any of them.

        OSError where it is gone.
        """
        kind, signal = tree.CALLS[os.uname().machine][call]
        pid = procfs.process_of(thread)
        kills = kind == tree.KILL and arguments[signal] & 0xFFFFFFFF
        if kills:  # what a pool terminates may not be back from its last task
            self.settle()
        with self._lock:
            if kind == tree.FORK:
                self._made[pid] |= procfs.own_pages(pid)
            if kills:
                self._look_at_all()
            elif pid != self._worker:
                self._look_at(pid, ending=kind == tree.END)


def _own_bytes(pages: int) -> Reading:
    """So many pages of a process's own."""
    return replace(_NOTHING, private=pages * procfs.PAGE, uss=pages * procfs.PAGE)


def _beside(pid: int) -> Reading:
    """What a process has beside its own pages: files', and what a program has had and given back.

    Python frees all that it can before it ends. What a fork gives back need not have been its own.
    """
    memory = procfs.memory(pid)
    given_back = 0
    if procfs.has_executed(pid):
        now, most = procfs.resident(pid)
        given_back = most - now
    clean = memory.private_clean + memory.hugetlb
    return replace(_NOTHING, private=given_back, uss=given_back + clean)


def _cpu(pid: int) -> int:
    """The CPU nanoseconds of a process; 0 when it is gone."""
    try:
        return procfs.cpu_time(pid)
    except OSError:
        return 0


def _program(pid: int) -> str:
    """The beginning of how a program was called, without its folder; "" for a fork."""
    if not procfs.has_executed(pid):
        return ""
    program, space, arguments = procfs.command(pid).partition(" ")
    return (program.rpartition("/")[2] + space + arguments)[:_MOST_LETTERS]
