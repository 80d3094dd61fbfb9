"""A worker's private pages, what kind of memory they are, and who lives on them.

The /proc is one of files.
"""

import struct
from array import array
from pathlib import Path

import pytest

from pytest_cowmem.explain.overlay import NO_MODULE, overlay
from pytest_cowmem.explain.pages import Pages
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.regions import (
    ALLOCATOR,
    GUARD,
    HEAP,
    INTERPRETER,
    LIBRARY,
    MAPPED,
    OTHER,
    STACK,
    THREAD_STACK,
    Region,
    Regions,
)
from pytest_cowmem.model.explanation import Overlay, Resident

PRESENT, FILE, EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
OWN = PRESENT | EXCLUSIVE
WORKER, TWIN = 7, 8


@pytest.fixture
def regions(tmp_path):
    """`regions(maps)` looks at a process that has these lines in its maps."""

    def look(maps):
        folder = tmp_path / str(WORKER)
        folder.mkdir()
        (folder / "exe").symlink_to("/opt/shop/bin/interpreter")
        (folder / "maps").write_text(maps)
        return Regions(WORKER, tmp_path)

    return look


def add_process(proc: Path, pid: int, entries: dict[int, int]) -> None:
    """A process of pages 16 to 23 with these entries of its pagemap, by page."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "maps").write_text(f"{16 * PAGE:x}-{24 * PAGE:x} rw-p 00000000 00:00 0\n")
    words = [entries.get(page, 0) for page in range(24)]
    (folder / "pagemap").write_bytes(struct.pack("24Q", *words))


def test_private_pages_are_copied_where_the_twin_has_them_and_fresh_elsewhere(tmp_path):
    add_process(tmp_path, WORKER, {16: OWN, 17: OWN, 18: PRESENT, 20: OWN | FILE, 22: OWN, 23: OWN})
    add_process(tmp_path, TWIN, {16: OWN, 18: PRESENT, 22: PRESENT})
    assert Pages.of(WORKER, TWIN, tmp_path) == Pages(array("Q", [16, 22]), array("Q", [17, 23]))


def test_pages_that_came_are_those_that_were_not_there():
    before = Pages(array("Q", [1, 3]), array("Q", [5, 7]))
    after = Pages(array("Q", [1, 2, 5]), array("Q", [3, 6, 7]))
    assert after.since(before) == Pages(array("Q", [2]), array("Q", [6]))


LINES = [
    ("550000000000-550000001000 rw-p 0 00:00 0 /opt/shop/bin/interpreter", INTERPRETER),
    ("550000001000-550000002000 rw-p 0 00:00 0", INTERPRETER),
    ("550000010000-550000011000 rw-p 0 00:00 0 [heap]", HEAP),
    ("7f0000000000-7f0000001000 r--p 0 00:00 0 /usr/lib/libpython3.11.so.1.0", INTERPRETER),
    ("7f0000100000-7f0000101000 r--p 0 00:00 0 /usr/lib/libz.so", LIBRARY),
    ("7f0000101000-7f0000102000 rw-p 0 00:00 0", LIBRARY),
    ("7f0000102000-7f0000103000 ---p 0 00:00 0", LIBRARY),
    ("7f0000110000-7f0000111000 rw-p 0 00:00 0 /usr/lib/libbz2.so", LIBRARY),
    ("7f0000111000-7f0000311000 rw-p 0 00:00 0", ALLOCATOR),
    ("7f0000320000-7f0000326000 rw-s 0 00:00 0 /memfd:table (deleted)", LIBRARY),
    ("7f0000326000-7f0000327000 rw-p 0 00:00 0", MAPPED),
    ("7f0000330000-7f0000430000 rw-p 0 00:00 0", ALLOCATOR),
    ("7f0000430000-7f0000431000 ---p 0 00:00 0", GUARD),
    ("7f0000440000-7f0000441000 rw-p 0 00:00 0 [anon:pool]", MAPPED),
    ("7f0000500000-7f0000501000 r--p 0 00:00 0", OTHER),
    ("7f0004000000-7f0004021000 rw-p 0 00:00 0", HEAP),
    ("7f0004021000-7f0008000000 ---p 0 00:00 0", GUARD),
    ("7f0008000000-7f0008100000 rw-p 0 00:00 0", THREAD_STACK),
    ("7f0008100000-7f0008101000 ---p 0 00:00 0", GUARD),
    ("7f0008101000-7f0008102000 rw-p 0 00:00 0", THREAD_STACK),
    ("7f000c000000-7f000c001000 r--p 0 00:00 0", OTHER),
    ("7f000c001000-7f000c002000 ---p 0 00:00 0", GUARD),
    ("7f0010000000-7f0010001000 rw-p 0 00:00 0", MAPPED),
    ("7f0010002000-7f0010003000 ---p 0 00:00 0", GUARD),
    ("7ffe00000000-7ffe00021000 rw-p 0 00:00 0 [stack]", STACK),
    ("7ffe00030000-7ffe00031000 r-xp 0 00:00 0 [vdso]", OTHER),
]


@pytest.mark.parametrize(("line", "kind"), LINES)
def test_what_memory_is_is_told_by_its_line_and_the_one_before(regions, line, kind):
    found = regions("".join(f"{each}\n" for each, _ in LINES))
    first = int(line.partition("-")[0], 16) // PAGE
    assert found.at(first).kind == kind


def test_a_page_is_looked_up_by_its_mapping(regions):
    found = regions("10000-12000 rw-p 0 00:00 0 [heap]\n14000-15000 rw-p 0 00:00 0 /lib/libz.so\n")
    heap, library = (
        Region(0x10000, 0x12000, HEAP, "[heap]"),
        Region(0x14000, 0x15000, LIBRARY, "/lib/libz.so"),
    )
    assert [found.at(page) for page in (16, 17, 20)] == [heap, heap, library]
    for page in (15, 18, 19, 21):
        assert found.at(page) == Region(page * PAGE, (page + 1) * PAGE, OTHER, "")


def test_the_names_of_memory_are_those_that_users_read():
    assert (HEAP, STACK, INTERPRETER, LIBRARY, ALLOCATOR, THREAD_STACK, MAPPED, OTHER) == (
        "C heap",
        "stack",
        "interpreter data",
        "library data",
        "allocator",
        "thread stack",
        "mapped memory",
        "other",
    )


def test_objects_are_laid_over_copied_pages(regions):
    heap = regions("10000-20000 rw-p 0 00:00 0 [heap]\n20000-21000 rw-p 0 00:00 0 [stack]\n")
    copied = array("Q", [16, 17, 19, 32])
    shop, nobody, text, table = 2, 0, 0, 1
    rows = [
        (16 * PAGE, 2 * PAGE, text, shop),  # both pages, to the last byte
        (18 * PAGE, PAGE, text, shop),  # none of the copied ones
        (19 * PAGE + 8, 100, text, shop),
        (20 * PAGE - 50, 100, table, nobody),  # half of it
    ]
    words = array("Q")
    for address, size, kind, module in rows:
        words.extend((address, size, kind << 32 | module))
    addresses: set[int] = set()
    assert overlay(words, ["str", "dict"], ["", "", "shop"], copied, heap, addresses) == Overlay(
        4,
        (Resident("shop", 2 * PAGE + 100, 3, 2), Resident(NO_MODULE, 50, 1, 1)),
        (Resident("str", 2 * PAGE + 100, 3, 2), Resident("dict", 50, 1, 1)),
        (Resident(STACK, PAGE, 1, 0), Resident(HEAP, PAGE - 150, 1, 0)),
        {STACK: 1},
    )
    assert addresses == {16 * PAGE, 19 * PAGE + 8, 20 * PAGE - 50}
