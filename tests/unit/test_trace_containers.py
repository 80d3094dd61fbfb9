"""Which containers are listed under which names, and what is told of those that grew."""

import importlib
import os
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_cowmem.zygote.trace import containers, namespaces, objects
from pytest_cowmem.zygote.trace.filling import FillSearch

SHOP = """
from collections import deque
from functools import cache

CACHE = {"one": 1, "two": 2}
QUEUE = deque([1, 2, 3])
GROUP = {1}
PAIR = (1, 2)
__special__ = [1]
ALIAS = CACHE

class Shelf:
    COMMON = [1, 2, 3, 4]
    def __init__(self):
        self.items = [1, 2]
        self.deeper = {"rows": [1]}

SHELF = Shelf()

@cache
def cached(number):
    return number

def make(kept):
    def count(first, second=[1], third=[1, 2]):
        return kept
    return count

COUNT = make([1, 2, 3])
"""
MODULE = "trace_shop"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    module = ModuleType(MODULE)
    module.__file__ = f"/srv/shop/{MODULE}.py"
    monkeypatch.setitem(sys.modules, MODULE, module)
    exec(compile(SHOP, module.__file__, "exec"), vars(module))
    yield module
    vars(module).clear()


def names() -> "dict[str, int]":
    listed = containers.counted(frozenset({MODULE}))
    return {places[0].name.removeprefix(f"{MODULE}."): count for places, count in listed}


def test_containers_are_listed_once_by_where_they_hang(shop: Any) -> None:
    shop.cached(1)
    assert names() == {
        "CACHE": 2,
        "QUEUE": 3,
        "GROUP": 1,
        "Shelf.COMMON": 4,
        "SHELF.items": 2,
        "SHELF.deeper": 1,
        "cached": 1,
        "make.<locals>.count.kept": 3,
        "make.<locals>.count.second": 1,
        "make.<locals>.count.third": 2,
    }


def named(monkeypatch: pytest.MonkeyPatch, *modules: str) -> list[str]:
    """The names of one container that hangs on `modules`, which were loaded in this order."""
    held: list[int] = []
    for name in modules:
        module = ModuleType(name)
        vars(module)["CACHE"] = held
        monkeypatch.setitem(sys.modules, name, module)
    ((places, _),) = containers.counted(frozenset(modules))
    return [place.name for place in places]


def test_a_container_is_named_where_it_was_made_and_not_where_it_was_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one that imports from the other is loaded when that one is."""
    names = named(monkeypatch, "trace_shop.data.rows", "trace_views")
    assert names == ["trace_shop.data.rows.CACHE", "trace_views.CACHE"]


def test_a_container_is_named_by_the_package_that_its_module_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A package is loaded after the module of it that imports from it."""
    names = named(monkeypatch, "trace_a.reload", "trace_ab", "trace_b", "trace_a")
    assert names[0] == "trace_a.CACHE"
    assert len(names) == 4


def test_djangos_engines_are_named_by_the_package_that_makes_them() -> None:
    """They are first seen in a module that the package imports, which imports them from it."""
    importlib.import_module("django.template.loader")
    django = [name for name in sys.modules if name.startswith("django.template")]
    named = {places[0].name for places, _ in containers.counted(frozenset(django))}
    assert "django.template.engines._engines" in named
    assert not [name for name in named if name.startswith("django.template.autoreload.engines")]


def test_the_shorter_of_a_modules_names_goes_first(shop: Any) -> None:
    shop.ROWS = shop.SHELF.items
    assert names()["ROWS"] == 2
    assert "SHELF.items" not in names()


def test_entries_are_known_by_each_name(shop: Any, tmp_path: Path) -> None:
    shop.ROWS = shop.SHELF.items
    before = containers.entries(frozenset({MODULE}))
    shop.SHELF.items = [1, 2, 3]
    assert grown(tmp_path, before)[0] == {f"{MODULE}.SHELF.items": (2, 3)}


def test_other_modules_containers_are_not_listed(shop: Any) -> None:
    shop.QUEUE.append(4)
    assert list(containers.counted(frozenset({"another"}))) == []


def test_entries_are_known_by_object_and_on_modules_by_name_too(shop: Any) -> None:
    by_id, by_name, modules, classes = containers.entries(frozenset({MODULE}))
    assert modules == [MODULE]
    assert by_id[id(shop.CACHE)] == by_name[f"{MODULE}.CACHE"] == 2
    assert f"{MODULE}.make.<locals>.count.kept" not in by_name
    assert by_id[id(shop.COUNT.__closure__[0].cell_contents)] == 3
    assert id(shop.Shelf) in classes


def grown(
    tmp_path: Path, before: containers.Before, app: str = ""
) -> "tuple[Any, dict[str, set[int]]]":
    """What is told of grown containers, and the addresses that the map has under their names.

    `app` is the file that is the app's own.
    """
    path = tmp_path / "map"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        counts, modules, _ = containers.write_grown(fd, before, FillSearch([], {}), app.__eq__)
    finally:
        os.close(fd)
    records = array("Q", path.read_bytes())
    addresses: dict[str, set[int]] = {}
    for first in range(0, len(records), 3):
        start, _, module = records[first : first + 3]
        addresses.setdefault(modules[module & 0xFFFFFFFF], set()).add(start)
    return counts, addresses


def test_what_grew_is_mapped_with_all_that_it_holds(shop: Any, tmp_path: Path) -> None:
    before = containers.entries(frozenset({MODULE}))
    inner = [object()]
    shop.CACHE["rows"] = {"inner": inner}
    shop.COUNT.__closure__[0].cell_contents.append(4)
    counts, addresses = grown(tmp_path, before)
    kept = f"{MODULE}.make.<locals>.count.kept"
    assert counts == {f"{MODULE}.CACHE": (2, 3), kept: (3, 4)}
    assert id(inner[0]) in addresses[f"{MODULE}.CACHE"]
    assert id(shop.QUEUE) not in addresses[f"{MODULE}.CACHE"]


def test_what_a_library_holds_too_is_the_apps(
    shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = ModuleType("trace_library")
    cache: list[object] = []
    library.__dict__["cache"] = cache
    monkeypatch.delitem(sys.modules, MODULE)
    monkeypatch.setitem(sys.modules, "trace_library", library)
    monkeypatch.setitem(sys.modules, MODULE, shop)
    before = containers.entries(frozenset({"trace_library", MODULE}))
    page = object()
    cache.append(page)
    shop.QUEUE.append(page)
    _, addresses = grown(tmp_path, before)
    assert id(page) in addresses["trace_library.cache"]
    _, addresses = grown(tmp_path, before, shop.__file__)
    assert id(page) in addresses[f"{MODULE}.QUEUE"]


def test_classes_made_since_are_entered(shop: Any, tmp_path: Path) -> None:
    old, new = object(), object()
    shop.Shelf.COMMON.append(old)
    before = containers.entries(frozenset({MODULE}))
    shop.QUEUE.append(type("Made", (shop.Shelf,), {"pages": [new]}))
    _, addresses = grown(tmp_path, before)
    mine = addresses[f"{MODULE}.QUEUE"]
    assert id(new) in mine
    assert id(old) not in mine


def test_functions_classes_and_modules_are_not_entered(shop: Any, tmp_path: Path) -> None:
    before = containers.entries(frozenset({MODULE}))
    secret = object()
    entered = ModuleType("entered")
    entered.__dict__["secret"] = secret
    shop.QUEUE.extend([entered, shop.Shelf, shop.make])
    _, addresses = grown(tmp_path, before)
    mine = addresses[f"{MODULE}.QUEUE"]
    assert id(secret) not in mine
    assert id(shop.Shelf.COMMON) not in mine
    head = objects.bytes_before(objects.type_flags(ModuleType))
    assert id(entered) - head in mine


def test_a_container_in_anothers_place_has_grown_beyond_it(shop: Any, tmp_path: Path) -> None:
    before = containers.entries(frozenset({MODULE}))
    old = shop.QUEUE
    shop.QUEUE = type(old)(range(5))
    counts, _ = grown(tmp_path, before)
    assert counts == {f"{MODULE}.QUEUE": (3, 5)}


def test_what_did_not_grow_is_not_told(shop: Any, tmp_path: Path) -> None:
    before = containers.entries(frozenset({MODULE}))
    shop.QUEUE.pop()
    shop.CACHE["one"] = 2
    assert grown(tmp_path, before) == ({}, {})


def test_late_modules_of_the_app_are_told(shop: Any, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "map", os.O_RDWR | os.O_CREAT)
    is_shop = str(shop.__file__).__eq__
    before: containers.Before = ({}, {}, [], [])
    counts, _, _ = containers.write_grown(fd, before, FillSearch([], {}), is_shop)
    os.close(fd)
    assert counts[f"{MODULE}.CACHE"] == (0, 2)


def test_namespaces_leave_special_names_out() -> None:
    space = {"plain": 1, "_private": 2, "__special__": 3, 4: 5}
    assert namespaces.named(space) == {"plain": 1, "_private": 2}
    assert namespaces.special(space, "__special__") == 3
    assert namespaces.special(space, "absent") is None
