"""The map of objects, written by real twins, and what it says of a worker's copied pages."""

import itertools
import os
from array import array
from collections import Counter
from pathlib import Path

import pytest
from mapped_forks import Mapped, mapped

from pytest_cowmem.explain.overlay import NO_MODULE, new_bytes, overlay
from pytest_cowmem.explain.pages import Pages
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.regions import (
    ALLOCATOR,
    GUARD,
    HEAP,
    INTERPRETER,
    LIBRARY,
    MAPPED,
    STACK,
    THREAD_STACK,
    Regions,
)


@pytest.fixture(scope="module")
def shared_rows(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    return mapped("known_causes", "read_shared", tmp_path_factory.mktemp("atlas"))


def bytes_by_type(found: Mapped, module: str) -> "Counter[str]":
    sizes: Counter[str] = Counter()
    for first in range(0, len(found.records), 3):
        _, size, word = found.records[first : first + 3]
        if found.modules[word & 0xFFFFFFFF] == module:
            sizes[found.types[word >> 32]] += size
    return sizes


def test_objects_are_mapped_with_their_parts(shared_rows: Mapped) -> None:
    sizes = bytes_by_type(shared_rows, "known_causes")
    for name, size in shared_rows.beside.items():
        assert size <= sizes[name] <= size * 1.01, name


def test_objects_hardly_overlap(shared_rows: Mapped) -> None:
    spans = sorted(zip(shared_rows.records[0::3], shared_rows.records[1::3], strict=True))
    overlapping = sum(
        start + size > following for (start, size), (following, _) in itertools.pairwise(spans)
    )
    assert overlapping < 0.01 * len(spans)


def test_copied_pages_name_the_module_whose_rows_were_read(shared_rows: Mapped) -> None:
    found = overlay(
        shared_rows.records,
        shared_rows.types,
        shared_rows.modules,
        shared_rows.pages.copied,
        shared_rows.regions,
        set(),
    )
    objects = sum(resident.bytes for resident in found.modules)
    assert found.pages > 1000
    assert found.modules[0].name == "known_causes"
    assert found.modules[0].bytes > 0.9 * objects
    assert objects > 0.8 * found.pages * PAGE
    assert {"dict", "str"} <= {resident.name for resident in found.types[:4]}
    assert sum(resident.bytes for resident in found.types) == objects
    assert objects + sum(resident.bytes for resident in found.rest) >= found.pages * PAGE
    assert sum(found.empty.values()) < 0.05 * found.pages


def test_what_was_loaded_for_the_map_is_left_out(shared_rows: Mapped) -> None:
    held = {shared_rows.modules[word & 0xFFFFFFFF] for word in shared_rows.records[2::3]}
    assert "known_causes" in held
    assert "pytest_cowmem.zygote.trace.objects" not in held


def test_no_foreign_code_runs(tmp_path: Path) -> None:
    found = mapped("hostile", "touch", tmp_path)
    assert found.beside == []
    hostile = {name for name in found.types if "Hostile" in name}
    assert len(hostile) == 9


def test_pages_are_divided_among_their_residents() -> None:
    mine = 4096 * PAGE
    records = array(
        "Q",
        [mine + 100, 1000, 0 << 32 | 2, mine + PAGE - 10, 20, 1 << 32 | 0, mine + 3 * PAGE, 50, 0],
    )
    addresses: set[int] = set()
    found = overlay(
        records,
        ["dict", "list"],
        ["", "", "shop"],
        array("Q", [4096, 4097, 5000]),
        Regions(os.getpid()),
        addresses,
    )
    assert addresses == {mine + 100, mine + PAGE - 10}
    assert [(it.name, it.bytes, it.pages) for it in found.modules] == [
        ("shop", 1000, 1),
        (NO_MODULE, 20, 2),
    ]
    assert [(it.name, it.bytes, it.pages) for it in found.types] == [
        ("dict", 1000, 1),
        ("list", 20, 2),
    ]
    assert sum(it.bytes for it in found.rest) == 3 * PAGE - 1020
    assert sum(found.empty.values()) == 1


def test_what_is_new_in_a_container_is_on_fresh_pages_or_where_nothing_was() -> None:
    fresh, copied, shared = 100, 200, 300
    rows = [(fresh * PAGE, 10), (copied * PAGE, 20), (copied * PAGE + 64, 40), (shared * PAGE, 80)]
    records = array("Q", [word for row in rows for word in (*row, 1)])
    pages = Pages(array("Q", [copied]), array("Q", [fresh]))
    assert new_bytes(records, ["", "shop.CACHE"], pages, {copied * PAGE}) == {"shop.CACHE": 50}


def test_regions_know_what_memory_is() -> None:
    regions = Regions(os.getpid())
    kinds = {regions.at(page).kind for region in regions._all for page in [region.start // PAGE]}
    assert {HEAP, STACK, INTERPRETER} <= kinds
    assert regions.at(0).name == ""
    buffer = bytes(40_000_000)  # over the largest threshold that malloc sets itself
    assert Regions(os.getpid()).at((id(buffer) + len(buffer) // 2) // PAGE).kind == MAPPED


MAPS = """\
550000000000-550000021000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
7f0000021000-7f0004000000 ---p 00000000 00:00 0
7f0004100000-7f0004101000 ---p 00000000 00:00 0
7f0004101000-7f0004901000 rw-p 00000000 00:00 0
7f0004901000-7f0004b01000 rw-p 00000000 00:00 0
7f0005000000-7f00057a2000 rw-p 00000000 00:00 0
7f0006000000-7f0006001000 rw-p 00000000 08:01 9 /usr/lib/libz.so
7f0006001000-7f0006004000 rw-p 00000000 00:00 0
"""


def test_memory_without_a_name_is_told_by_its_size_and_neighbours(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "exe").symlink_to("/usr/bin/python3")
    (folder / "maps").write_text(MAPS)
    regions = Regions(7, tmp_path)
    starts = [int(line.partition("-")[0], 16) // PAGE for line in MAPS.splitlines()]
    kinds = [HEAP, HEAP, GUARD, GUARD, THREAD_STACK, ALLOCATOR, MAPPED, LIBRARY, LIBRARY]
    assert [regions.at(page).kind for page in starts] == kinds
