"""The parts of objects as each Python keeps them, in memory that a dictionary stands in for."""

import sys
from typing import Any

import pytest

from pytest_cowmem.zygote.trace import structs
from pytest_cowmem.zygote.trace.structs import Reader

OBJECT, PART = 0x1000, 0x20000
# A word of a table of keys: the logarithms of its indices and of their bytes, and its kind of keys.
TEXT_KEYS = 3 | 3 << 8 | 1 << 16  # 8 indices of a byte each
ANY_KEYS = 9 | 10 << 8  # 512 indices of two bytes each


def reader(words: dict[int, int], monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> Any:
    """A reader of one Python's layout, where memory has `words` at these addresses."""
    monkeypatch.setattr(structs, "_VERSION", version)
    monkeypatch.setattr(structs, "VALUES_HAVE_CAPACITY", version >= (3, 13))
    monkeypatch.setattr(structs, "INSTANCE_VALUES", -32 if version < (3, 12) else -24)
    return Reader({address >> 3: word for address, word in words.items()})


@pytest.mark.parametrize(
    ("word", "size"),
    [(TEXT_KEYS, 32 + 8 + 5 * 16), (ANY_KEYS, 32 + 1024 + 341 * 24)],
)
def test_a_table_of_keys_has_a_head_indices_and_two_entries_for_three_of_them(
    monkeypatch: pytest.MonkeyPatch, word: int, size: int
) -> None:
    assert reader({PART + 8: word}, monkeypatch, (3, 14)).key_table_bytes(PART) == size


@pytest.mark.parametrize(
    ("capacity", "size"), [(1, 8 + 8 + 8), (8, 8 + 64 + 8), (9, 8 + 72 + 16), (30, 8 + 240 + 32)]
)
def test_values_since_3_13_have_their_capacity_and_a_byte_each(
    monkeypatch: pytest.MonkeyPatch, capacity: int, size: int
) -> None:
    # The bytes after the capacity are the number in use, and whether the instance is before them.
    alone, inside = capacity | 2 << 8, capacity | 2 << 8 | 1 << 16
    words = {OBJECT + 32: PART, OBJECT + 40: PART + 64, PART + 8: TEXT_KEYS}
    split = reader({**words, PART + 64: alone}, monkeypatch, (3, 13))
    assert split.dict_tables({}, OBJECT) == (PART, 120, PART + 64, size)
    split = reader({**words, PART + 64: inside}, monkeypatch, (3, 13))
    assert split.dict_tables({}, OBJECT) == (PART, 120)


def test_values_since_3_13_follow_their_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        pass

    start = OBJECT + Small.__basicsize__
    reading = reader({start: 6 | 1 << 16}, monkeypatch, (3, 13))
    assert reading.by_kind["instance"](Small(), OBJECT) == (start, 8 + 48 + 8)


@pytest.mark.parametrize(
    ("version", "before", "pointer"), [((3, 11), 32, PART), ((3, 12), 24, PART - 1)]
)
@pytest.mark.parametrize(
    ("prefix", "part"), [(16, (PART - 16, 16 + 14 * 8)), (0, ()), (12, ()), (255, ())]
)
def test_values_before_3_13_have_a_prefix(
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int],
    before: int,
    pointer: int,
    prefix: int,
    part: tuple[int, ...],
) -> None:
    words = {OBJECT - before: pointer, PART - 8: prefix << 56}
    instance = reader(words, monkeypatch, version).by_kind["instance"]
    assert instance(None, OBJECT) == part


@pytest.mark.parametrize(
    ("version", "before", "pointer"),
    [((3, 11), 32, 0), ((3, 12), 24, 0), ((3, 12), 24, PART), ((3, 11), 32, PART + 4)],
)
def test_an_instance_may_have_no_values_of_its_own(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], before: int, pointer: int
) -> None:
    instance = reader({OBJECT - before: pointer}, monkeypatch, version).by_kind["instance"]
    assert instance(None, OBJECT) == ()


def test_a_dictionary_without_values_has_the_size_that_python_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {number: number for number in range(100)}
    reading = reader({OBJECT + 32: PART, OBJECT + 40: 0}, monkeypatch, (3, 12))
    assert reading.dict_tables(table, OBJECT) == (PART, table.__sizeof__() - dict.__basicsize__)


def test_a_lists_items_lie_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reader({OBJECT + 24: PART}, monkeypatch, (3, 11))
    assert reading.list_items([None] * 7, OBJECT) == (PART, 56)


def test_a_small_set_lies_in_its_object(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = reader({OBJECT + 40: OBJECT + 64, OBJECT + 32: 7}, monkeypatch, (3, 11))
    assert inside.set_table(set(), OBJECT) == ()
    apart = reader({OBJECT + 40: PART, OBJECT + 32: 31}, monkeypatch, (3, 11))
    assert apart.set_table(set(), OBJECT) == (PART, 32 * 16)


@pytest.mark.parametrize(
    ("version", "part"), [((3, 14), (PART, 100)), ((3, 15), (PART - 32, 32 + 100 + 1))]
)
def test_a_bytearrays_buffer_is_a_bytes_object_since_3_15(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], part: tuple[int, int]
) -> None:
    full = reader({OBJECT + 24: 100, OBJECT + 32: PART}, monkeypatch, version)
    assert full.bytearray_buffer(None, OBJECT) == part
    empty = reader({OBJECT + 24: 0, OBJECT + 32: PART}, monkeypatch, version)
    assert empty.bytearray_buffer(None, OBJECT) == ()


@pytest.mark.parametrize(
    ("cls", "kind"),
    [
        (dict, "dict"),
        (type("MyDict", (dict,), {}), "dict"),
        (list, "list"),
        (type("MyList", (list,), {}), "list"),
        (set, "set"),
        (frozenset, "set"),
        (type("MySet", (set,), {"__slots__": ()}), None),
        (bytearray, "bytearray"),
        (type("Instance", (), {}), "instance"),
        (type("Slotted", (), {"__slots__": ("one",)}), None),
        (int, None),
    ],
)
def test_the_kind_of_parts_follows_from_the_class(cls: type, kind: "str | None") -> None:
    assert structs.kind_of(cls, cls.__flags__) == kind


@pytest.mark.parametrize(
    ("start", "size", "plausible"),
    [
        (PART, 8, True),
        (4096, 1, True),
        (PART + 4, 8, False),
        (4088, 8, False),
        (1 << 48, 8, False),
        ((1 << 48) - 8, 8, True),
        (PART, 0, False),
        (PART, 1 << 40, False),
        (PART, (1 << 40) - 1, True),
    ],
)
def test_a_part_lies_in_user_space_on_whole_words(start: int, size: int, plausible: bool) -> None:
    assert structs.is_plausible(start, size) is plausible


@pytest.mark.parametrize("version", [(3, 11), (3, 15)])
def test_the_layouts_are_of_64_bit_cpython_with_a_lock(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    monkeypatch.setattr(sys, "abiflags", "")
    monkeypatch.setattr(structs, "_VERSION", version)
    assert structs.supported()
    for module, name, value in [
        (sys, "abiflags", "t"),
        (sys, "maxsize", (1 << 31) - 1),
        (sys.implementation, "name", "pypy"),
    ]:
        with monkeypatch.context() as changed:
            changed.setattr(module, name, value)
            assert not structs.supported()


@pytest.mark.parametrize("version", [(3, 10), (3, 16)])
def test_another_python_may_have_other_layouts(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    monkeypatch.setattr(sys, "abiflags", "")
    monkeypatch.setattr(structs, "_VERSION", version)
    assert not structs.supported()
