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


def holders(tmp_path: Path, omitted: "set[str]") -> "dict[int, str]":
    """Which module the map has for each address, of all that modules but the `omitted` hold."""
    path = tmp_path / "map"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        object_map = objects.ObjectMap(fd)
        object_map.add_modules(frozenset(sys.modules) - omitted)
        object_map.flush()
    finally:
        os.close(fd)
    records = array("Q", path.read_bytes())
    starts, words = records[0::3], records[2::3]
    named = zip(starts, words, strict=True)
    return {start: object_map.modules[word & 0xFFFFFFFF] for start, word in named}


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
