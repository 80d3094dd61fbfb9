"""A worker's memory is drawn of what the kernel says of its pages. The /proc is one of files."""

import struct

import pytest

from pytest_cowmem.explain.mapped import mapped
from pytest_cowmem.explain.rows import Account, Place, Row, Trace
from pytest_cowmem.host.memory_map import draw, memory_map
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.regions import HEAP, INTERPRETER, LIBRARY
from pytest_cowmem.model.explanation import Overlay
from pytest_cowmem.model.memory_map import MemoryMap
from pytest_cowmem.zygote import worker

PRESENT, SWAPPED, FILE, EXCLUSIVE = 1 << 63, 1 << 62, 1 << 61, 1 << 56
OWN = PRESENT | EXCLUSIVE
WORKER, TWIN = 7, 8
VIEWS, HARNESS = "/srv/shop/views.py", worker.__file__


@pytest.fixture
def processes(tmp_path):
    """`processes(maps, mine, theirs)` has a worker and a twin with these regions and pages.

    `maps` are lines of that file without the addresses. `mine` and `theirs` are entries of their
    pagemaps, four for each region.
    """

    def make(maps, mine, theirs):
        for pid, entries in ((WORKER, mine), (TWIN, theirs)):
            folder = tmp_path / str(pid)
            folder.mkdir()
            (folder / "exe").symlink_to("/opt/shop/bin/python3.11")
            lines = [
                f"{(8 * number + 8) * PAGE:x}-{(8 * number + 12) * PAGE:x} {line}\n"
                for number, line in enumerate(maps)
            ]
            (folder / "maps").write_text("".join(lines) + f"{'f' * 13}000-{'f' * 16} --xp 0 0 0\n")
            pages = [0] * 8
            for number in range(len(maps)):
                pages += [*entries[4 * number : 4 * number + 4], 0, 0, 0, 0]
            (folder / "pagemap").write_bytes(struct.pack(f"{len(pages)}Q", *pages))
        return tmp_path

    return make


def coded(proc, ready=()):
    return memory_map(draw(WORKER, TWIN, ready, proc)).coded


def test_each_page_has_the_state_that_both_processes_pages_say(processes):
    own = [OWN, OWN, PRESENT, 0, SWAPPED, OWN, OWN, OWN]
    twins = [PRESENT, 0, PRESENT, PRESENT, PRESENT, SWAPPED, 0, 0]
    proc = processes(["rw-p 0 00:00 0 [heap]"] * 2, own, twins)
    assert coded(proc) == ((HEAP, "", "cfsa" + "scf2"),)


def test_what_was_its_own_when_it_was_ready_is_told_apart(processes):
    proc = processes(
        ["rw-p 0 00:00 0 [heap]"] * 2, [OWN, OWN, PRESENT, 0] + [OWN] * 4, [PRESENT] * 3
    )
    first, second = 8, 16
    ready = {first - 1, first, first + 2, first + 3, first + 4, second + 1, second + 2}
    assert coded(proc, ready) == ((HEAP, "", "rcsa" + "fr2f"),)


def test_files_of_which_nothing_is_its_own_are_left_out(processes):
    library = "r-xp 0 08:01 9 /usr/lib/libz.so.1"
    maps = [library, library, "rw-p 0 08:01 9 /opt/shop/bin/python3.11", "rw-p 0 0:0 0 [heap]"]
    mine = [PRESENT | FILE] * 4 + [PRESENT | FILE, OWN, 0, 0] + [OWN] * 4 + [PRESENT] * 4
    assert coded(processes(maps, mine, [PRESENT] * 16)) == (
        (LIBRARY, "libz.so.1", "sca2"),
        (INTERPRETER, "python3.11", "c4"),
        (HEAP, "", "s4"),
    )


def test_memory_without_any_page_is_left_out(processes):
    proc = processes(["rw-p 0 00:00 0", "rw-p 0 00:00 0 [stack]"], [0] * 4 + [PRESENT, 0, 0, 0], [])
    assert coded(proc) == (("stack", "", "sa3"),)


def test_a_page_of_a_file_counts_where_it_is_mapped_for_writing_by_all(processes):
    maps = ["rw-s 0 00:01 5 /dev/shm/counts", "rw-p 0 00:01 5 /dev/shm/counts"]
    proc = processes(maps, [OWN | FILE] * 8, [PRESENT] * 8)
    assert coded(proc) == ((LIBRARY, "counts", "c4"),)


def row(number, generation=None, path=VIEWS, library=None):
    place = Place(path, 4 if path else 0, "feed", library, 0, "", None)
    return Row(place, generation, False, PAGE, PAGE, 0, number=number)


def test_a_traced_page_has_the_module_and_the_cause_of_its_row(processes, tmp_path):
    proc = processes(
        ["rw-p 0 00:00 0 [heap]"] * 2, [OWN] * 8, [PRESENT] * 4 + [0, 0, PRESENT, PRESENT]
    )
    rows = row(0), row(1, generation=2), row(2, path=None, library=HARNESS)
    account = Account(rows, {VIEWS: "shop.views"}, collects=True, unseen=0, tracer=0)
    numbers = {8: 0, 9: 0, 10: 1, 11: -1, 16: 1, 17: 0, 18: 2, 19: 5}
    drawn = tuple(draw(WORKER, TWIN, (), proc))
    nothing = Overlay(0, (), (), (), {})
    trace = Trace(1, 1, account, nothing, {}, frozenset(), None, nothing, drawn, numbers)
    assert mapped(trace, tmp_path) == MemoryMap(
        PAGE, ("shop.views",), ((HEAP, "", "w2:0g:0c" + "f2:0c2"),)
    )


def test_a_traced_round_that_nobody_draws_has_no_map(tmp_path):
    account = Account((row(0),), {}, collects=True, unseen=0, tracer=0)
    assert (
        mapped(Trace(1, 1, account, Overlay(0, (), (), (), {}), {}, frozenset()), tmp_path) is None
    )
