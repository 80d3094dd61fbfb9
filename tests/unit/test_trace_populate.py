"""What a traced worker asks of the kernel: small pages, and the pages of files beforehand."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_cowmem.zygote.trace import populate

PRESENT = 1 << 63  # of a page's 8 bytes in /proc/PID/pagemap


def test_huge_pages_are_off_for_the_process() -> None:
    code = (
        "from pytest_cowmem.zygote.trace import populate;"
        "populate.use_small_pages();"
        "print(open('/proc/self/status').read())"
    )
    assert "THP_enabled:\t0\n" in subprocess.check_output([sys.executable, "-c", code], text=True)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """An open file of four pages."""
    path = tmp_path / "library"
    path.write_bytes(b"text" * mmap.PAGESIZE)
    with path.open("r+b") as opened:
        yield opened.fileno()


def span(mapping: mmap.mmap) -> "tuple[int, int]":
    """The address and bytes of a mapping that can be written to."""
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping)), len(mapping)


def present(start: int, size: int) -> "list[bool]":
    """Whether each page is mapped."""
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(start // mmap.PAGESIZE * 8)
        words = memoryview(pagemap.read(size // mmap.PAGESIZE * 8)).cast("Q")
    return [bool(word & PRESENT) for word in words]


def test_a_private_mapping_of_a_file_is_mapped_page_by_page(file: int) -> None:
    private = mmap.mmap(file, 0, access=mmap.ACCESS_COPY)
    place = span(private)
    assert place in populate.file_mappings()
    assert present(*place) == [False] * 4
    assert populate.populate([place]) == 0
    assert present(*place) == [True] * 4


def test_what_is_no_private_readable_file_is_left_out(file: int) -> None:
    anonymous = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE)
    unreadable = mmap.mmap(file, 0, mmap.MAP_PRIVATE, mmap.PROT_WRITE)
    for mapping in (anonymous, unreadable, mmap.mmap(file, 0)):
        assert span(mapping) not in populate.file_mappings()


@pytest.mark.parametrize(("larger", "listed"), [(0, True), (mmap.PAGESIZE, False)])
def test_a_large_file_is_data_and_left_out(file: int, larger: int, listed: bool) -> None:
    size = populate._LARGEST + larger
    os.truncate(file, size)
    with mmap.mmap(file, size, access=mmap.ACCESS_COPY):
        assert any(it[1] == size for it in populate.file_mappings()) is listed


def test_mappings_that_the_kernel_refuses_are_counted() -> None:
    assert populate.populate([(mmap.PAGESIZE, mmap.PAGESIZE)] * 2) == 2
