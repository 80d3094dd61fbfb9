"""Whose each page of a process is, on a real one that takes and gives back memory."""

import socket
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toucher import __file__ as PROGRAM

from pytest_cowmem.explain.watch import Watch, blocks
from pytest_cowmem.host.procfs import PAGE

ENDS = st.lists(st.integers(1, 4_000), min_size=2, max_size=12, unique=True).map(sorted)


@given(ENDS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_blocks_have_each_page_of_each_range_once(ends, shared):
    mapped = [
        (start * PAGE, end * PAGE, flag)
        for start, end, flag in zip(ends[::2], ends[1::2], shared, strict=False)
    ]
    pages = [
        (block, page // 512, page, flag)
        for block, parts in blocks(mapped).items()
        for start, end, flag in parts
        for page in range(start // PAGE, end // PAGE)
    ]
    assert all(block == of for block, of, _, _ in pages)
    assert [(page, flag) for *_, page, flag in sorted(pages)] == [
        (page, flag) for start, end, flag in mapped for page in range(start // PAGE, end // PAGE)
    ]


class Toucher:
    """A process that takes and gives back memory when it is called with an order."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-P", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def __call__(self, order):
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        orders.write(f"{order}\n")
        orders.flush()
        assert answers.readline() == "done\n"

    def end(self):
        self._process.communicate()


@pytest.fixture
def toucher():
    process = Toucher()
    for _ in range(3):  # its own faults come first
        process("map tried")
        process("touch tried 0 1000")
        process("forget tried")
        process("unmap tried")
    process("map old")
    process("touch old 0 100")
    yield process
    process.end()


@pytest.fixture
def watch(toucher):
    near, far = socket.socketpair()
    with far:
        watched = Watch(toucher.pid, near)
        watched.begin()
        yield watched
        watched.end()


def rows(watch):
    """How many pages each row has."""
    return Counter(watch.rows.values())


def test_pages_are_of_the_row_after_which_they_appeared(toucher, watch):
    toucher("touch old 100 700")
    watch.look(1, 700, 7)
    toucher("touch old 800 50")
    watch.look(2, 50, 7)
    toucher("map new")
    toucher("touch new 0 1000")
    watch.look(3, 1_000, 7)
    toucher("touch old 850 20")
    toucher("touch new 1000 30")
    watch.look(4, 50, 7)
    assert rows(watch) == {1: 700, 2: 50, 3: 1_000, 4: 50}


def test_what_was_given_back_is_nobodys(toucher, watch):
    toucher("map new")
    toucher("touch new 0 1000")
    watch.look(1, 1_000, 7)
    toucher("unmap new")
    watch.look(2, 0, 7)
    assert rows(watch) == {}
    toucher("map other")
    toucher("touch other 0 900")
    watch.look(3, 900, 7)
    assert rows(watch) == {3: 900}


def test_what_a_fork_shares_for_a_while_stays_whose_it_was(toucher, watch):
    toucher("map new")
    toucher("touch new 0 600")
    watch.look(1, 600, 7)
    toucher("fork reader")
    watch.look(2, 0, 7)
    assert rows(watch) == {1: 600}
    toucher("end reader")
    watch.look(3, 0, 7)
    assert rows(watch) == {1: 600}


def test_what_is_moved_stays_whose_it_was(toucher, watch):
    toucher("map new")
    toucher("touch new 0 600")
    watch.look(1, 400, 7)
    watch.look(2, 200, 8)
    before = set(watch.rows)
    toucher("map above")  # takes the room to grow in place
    toucher("grow new")
    toucher("touch new 600 30")
    watch.look(3, 30, 7)
    assert rows(watch) == {1: 400, 2: 200, 3: 30}
    assert before.isdisjoint(watch.rows)


def test_what_was_given_back_within_a_mapping_is_seen_where_faults_are_missing(toucher, watch):
    toucher("map new")
    toucher("touch new 0 600")
    watch.look(1, 600, 7)
    toucher("forget new")
    watch.look(2, 1, 7)
    toucher("touch new 0 30")
    watch.look(3, 30, 7)
    assert rows(watch)[3] == 30
    assert rows(watch)[1] == 0


def test_a_row_takes_no_more_pages_than_it_has_faults(toucher, watch):
    toucher("touch old 100 40")
    watch.look(1, 5, 7)
    watch.look(2, 30, 7)
    assert rows(watch) == {1: 5}


def test_another_threads_row_takes_what_one_left(toucher, watch):
    toucher("touch old 100 40")
    watch.look(1, 5, 7)
    watch.look(2, 30, 8)
    watch.look(3, 30, 9)
    assert rows(watch) == {1: 5, 2: 30, 3: 5}


def test_what_one_left_waits_for_the_thread_that_took_it(toucher, watch):
    toucher("touch old 100 40")
    for row in (1, 2, 3):
        watch.look(row, 1, 7)
    watch.look(4, 90, 8)
    assert rows(watch) == {1: 1, 4: 39}


def test_a_process_that_is_gone_is_a_reason(toucher):
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with far:
        watched = Watch(toucher.pid, near)
        watched.begin()
        toucher.end()
        far.send(bytes(24))
        assert far.recv(1) == b""
        watched.end()
    assert watched.failed is not None
