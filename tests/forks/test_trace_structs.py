"""The offsets by which memory is read: right on this Python, and not used where they are wrong."""

import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_cowmem.zygote.trace import objects, selfcheck, structs

KINDS = {"list", "dict", "set", "bytearray", "instance"}
BREAKS = (-16, -8, 8, 16, 24, 1 << 12, 1 << 30)
OFFSETS = {
    "LIST_ITEMS": "list",
    "DICT_KEYS": "dict",
    "DICT_VALUES": "dict",
    "KEYS_SIZES": "dict",
    "KEYS_INDICES": "dict",
    "TEXT_ENTRY": "dict",
    "ENTRY": "dict",
    "SET_MASK": "set",
    "SET_TABLE": "set",
    "SET_SMALL": "set",
    "SET_ENTRY": "set",
    "BYTEARRAY_ALLOCATED": "bytearray",
    "BYTEARRAY_BUFFER": "bytearray",
}
if sys.version_info < (3, 13):
    OFFSETS["INSTANCE_VALUES"] = "instance"
if sys.version_info >= (3, 15):
    OFFSETS["BYTES_HEAD"] = "bytearray"

pytestmark = pytest.mark.skipif(not structs.supported(), reason="no offsets for this interpreter")


def test_all_kinds_are_read_on_this_python() -> None:
    assert set(selfcheck.checked_readers()) == KINDS


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("by", BREAKS)
def test_a_wrong_offset_is_noticed(monkeypatch: pytest.MonkeyPatch, offset: str, by: int) -> None:
    monkeypatch.setattr(structs, offset, getattr(structs, offset) + by)
    assert set(selfcheck.checked_readers()) == KINDS - {OFFSETS[offset]}


@pytest.fixture
def busy_thread() -> Iterator[None]:
    """A thread that makes and drops byte arrays, and gets its turn as often as can be."""
    interval, over = sys.getswitchinterval(), threading.Event()

    def make_and_drop() -> None:
        while not over.is_set():
            [bytearray(100) for _ in range(50)]

    thread = threading.Thread(target=make_and_drop)
    sys.setswitchinterval(1e-6)
    thread.start()
    yield
    over.set()
    thread.join()
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_thread")
def test_what_is_read_outlives_the_look_at_it() -> None:
    for _ in range(100):
        assert set(selfcheck.checked_readers()) == KINDS


@pytest.mark.parametrize("pointer", [0, 8, 1 << 46, (1 << 64) - 8])
def test_a_pointer_that_leads_nowhere_is_noticed(
    monkeypatch: pytest.MonkeyPatch, pointer: int
) -> None:
    monkeypatch.setattr(selfcheck.ProbedMemory, "__getitem__", lambda *_: pointer)
    assert selfcheck.checked_readers() == {}


@pytest.mark.parametrize("by", [-8, 8])
def test_a_wrong_size_of_values_is_noticed(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    counted, values = structs.Reader._counted_values_bytes, structs.Reader._values

    def wrong_values(self: structs.Reader, start: int) -> "tuple[int, ...]":
        parts = values(self, start)
        return (parts[0], parts[1] + by) if parts and sys.version_info < (3, 13) else parts

    monkeypatch.setattr(structs.Reader, "_counted_values_bytes", lambda *it: counted(*it) + by)
    monkeypatch.setattr(structs.Reader, "_values", wrong_values)
    assert set(selfcheck.checked_readers()) == KINDS - {"dict", "instance"}


def test_a_kind_that_failed_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structs, "LIST_ITEMS", structs.LIST_ITEMS + 8)
    rows = mapped([[None] * 100, {"key": None}])
    assert [size for _, size in rows["list"]] == [list.__basicsize__ + structs.GC_HEAD]
    assert len(rows["dict"]) == 2


def test_nothing_is_read_where_the_interpreter_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ((3, 10), (3, 16)):
        monkeypatch.setattr(structs, "_VERSION", version)
        assert selfcheck.checked_readers() == {}
    monkeypatch.setattr(structs, "_VERSION", sys.version_info[:2])
    monkeypatch.setattr(sys, "abiflags", "t")
    assert selfcheck.checked_readers() == {}


class Plain:
    def __init__(self) -> None:
        self.first = "first"
        self.second = "second"


class Weak:
    __slots__ = ("__weakref__",)


class Slim:
    __slots__ = ("only",)


@pytest.mark.parametrize("value", [Plain(), Weak(), Slim(), [], {}, set(), 1, "text", Plain, len])
def test_the_head_before_an_object_is_as_python_tells_it(value: Any) -> None:
    told = sys.getsizeof(value) - type(value).__sizeof__(value)
    if isinstance(value, type):
        told = sys.getsizeof(value) - type.__sizeof__(value)
    assert objects.bytes_before(objects.type_flags(type(value))) == told


def test_instances_are_mapped_with_their_values() -> None:
    """Each has room for its two attributes at least, wherever they lie."""
    instances = [Plain() for _ in range(1_000)]
    rows = mapped(instances)["test_trace_structs.Plain"]
    head = 4 * structs.WORD + object.__sizeof__(instances[0])
    assert len(rows) == 2 * len(instances)
    assert [size for _, size in rows[::2]] == [head] * len(instances)
    assert all(size >= 3 * structs.WORD for _, size in rows[1::2])


def test_values_of_instances_hardly_overlap() -> None:
    """3.11 and 3.12 tell the length of an array up to seven words too long."""
    rows = sorted(mapped([Plain() for _ in range(1_000)])["test_trace_structs.Plain"])
    slack = 0 if sys.version_info >= (3, 13) else 7 * structs.WORD
    for (start, size), (following, _) in itertools.pairwise(rows):
        assert start + size <= following + slack


def mapped(values: "list[Any]") -> "dict[str, list[tuple[int, int]]]":
    """(address, bytes) of what a map has for `values`, by the names of types."""
    object_map = objects.ObjectMap(-1)
    object_map.add(values, objects.NOBODY, {})
    rows: dict[str, list[tuple[int, int]]] = {}
    for first in range(0, len(object_map._rows), 3):
        start, size, word = object_map._rows[first : first + 3]
        rows.setdefault(object_map.types[word >> 32], []).append((start, size))
    return rows


@pytest.mark.parametrize(
    ("start", "size", "plausible"),
    [
        (1 << 20, 8, True),
        (1 << 20, 1, True),
        (1 << 20, 0, False),
        (1 << 20, -8, False),
        (1 << 20, 1 << 40, False),
        ((1 << 20) + 4, 8, False),
        (0, 8, False),
        (4096, 8, True),
        (4088, 8, False),
        ((1 << 48) - 8, 8, True),
        (1 << 48, 8, False),
    ],
)
def test_a_part_that_cannot_lie_there_is_implausible(
    start: int, size: int, plausible: bool
) -> None:
    assert structs.is_plausible(start, size) is plausible
