"""Which module holds an object in the map, and what is left out of the map."""

import os
import sys
from array import array
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_cowmem.zygote.trace import objects


class Kept(list[int]):
    """A list whose address is the map's, since nothing else is between its head and it."""


def address(value: object) -> int:
    return id(value) - objects.bytes_before(objects.type_flags(type(value)))


def module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    monkeypatch.setitem(sys.modules, name, made)
    return made


def mapped(tmp_path: Path, omitted: "set[str]") -> "tuple[array[int], list[str]]":
    """The records of all that a few modules but the `omitted` hold, and the modules' names.

    They are those that a test has made: all others lead to a million objects.
    """
    path = tmp_path / "map"
    few = {name: made for name, made in sys.modules.items() if name.startswith("trace_")}
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "modules", few)
            object_map = objects.ObjectMap(fd)
            object_map.add_modules(frozenset(few) - omitted)
            object_map.flush()
    finally:
        os.close(fd)
    return array("Q", path.read_bytes()), object_map.modules


def holders(tmp_path: Path, omitted: "set[str]") -> "dict[int, str]":
    """Which module the map has for each address."""
    records, modules = mapped(tmp_path, omitted)
    starts, words = records[0::3], records[2::3]
    return {start: modules[word & 0xFFFFFFFF] for start, word in zip(starts, words, strict=True)}


def test_the_nearest_module_holds_an_object(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    near, far, shared = Kept(), Kept(), Kept()
    module(monkeypatch, "trace_first", deep=[[[shared]]], near=near)
    module(monkeypatch, "trace_second", shared=shared, far=[[far]])
    held = holders(tmp_path, set())
    assert held[address(near)] == "trace_first"
    assert held[address(shared)] == held[address(far)] == "trace_second"


def test_functions_and_classes_are_of_the_module_they_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, attribute = Kept(), Kept()
    space: dict[str, Any] = {"__name__": "trace_named", "kept": kept}
    exec("def function(default=kept): pass\nclass Class: pass", space)
    space["Class"].attribute = attribute
    module(monkeypatch, "trace_borrower", function=space["function"], Class=space["Class"])
    module(monkeypatch, "trace_named")
    held = holders(tmp_path, set())
    assert held[address(space["function"])] == held[address(kept)] == "trace_named"
    assert held[address(space["Class"])] == held[address(attribute)] == "trace_named"


def test_what_a_module_that_came_later_holds_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret, shared = Kept(), Kept()
    late = module(monkeypatch, "trace_package.late", secret=secret, deep=[[shared]])
    module(monkeypatch, "trace_package", late=late, shared=shared)
    held = holders(tmp_path, {"trace_package.late"})
    assert address(secret) not in held
    assert address(late) not in held
    assert held[address(shared)] == "trace_package"


def test_what_code_refers_to_is_in_the_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = compile("x = 'a constant that nobody else has'", "/srv/trace_code.py", "exec")
    module(monkeypatch, "trace_code", code=code)
    held = holders(tmp_path, set())
    assert held[address(code.co_consts[0])] == "trace_code"
    assert held[address(code.co_linetable)] == "trace_code"


def test_an_object_is_mapped_from_what_lies_before_it_to_the_end_of_its_head(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Slotted:
        __slots__ = ("one", "two")

    size, head = object.__sizeof__, 2 * 8  # the collector's two words
    expected = {
        10**50: (0, (10**50).__sizeof__()),
        "text " * 99: (0, ("text " * 99).__sizeof__()),
        (1, 2, 3): (head, size((1, 2, 3))),
        Slotted(): (head, size(Slotted())),
        Slotted: (head, size(Slotted)),
        zip: (head, type.__sizeof__(zip)),  # a static type has no parts
    }
    module(monkeypatch, "trace_sizes", kept=[*expected])
    records, _ = mapped(tmp_path, set())
    sizes = dict(zip(records[0::3], records[1::3], strict=True))
    for value, (before, after) in expected.items():
        assert sizes[id(value) - before] == before + after, value


def test_an_instance_with_a_dictionary_has_two_more_words_before_it() -> None:
    class Plain:
        pass

    class Referenced:
        __slots__ = ("__weakref__",)

    flags = objects.type_flags
    assert objects.bytes_before(flags(Plain)) == 32
    assert objects.bytes_before(flags(Referenced)) == (32 if sys.version_info >= (3, 12) else 16)
    assert objects.bytes_before(flags(list)) == 16
    assert objects.bytes_before(flags(int)) == 0
