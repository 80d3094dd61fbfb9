"""How what leaks is named, and that nothing of the app is asked on the way."""

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from folders import SUPPORT

from pytest_cowmem.zygote.trace import containers, leaking
from pytest_cowmem.zygote.trace.defining import defining
from pytest_cowmem.zygote.trace.reached import Reached

SHOP = """
from collections import deque

class Slotted:
    __slots__ = ("queue",)
    def __init__(self):
        self.queue = deque()

class Shelf:
    COMMON = []
    def __init__(self):
        self.items = {"one": [], 2: [], (3,): []}
        self.slotted = (Slotted(), [])

class Dictionary(dict):
    pass

SHELF = Shelf()
OWN = Dictionary(a=Dictionary())
OWN.attribute = []
GROUP = {frozenset()}

def make(kept):
    def count(first, second=[], *, third=[]):
        return kept
    return count

COUNTS = [make([])]
COUNTS[0].own = []
"""
WAYS = {
    "Shelf.COMMON": lambda shop: shop.Shelf.COMMON,
    "SHELF.items": lambda shop: shop.SHELF.items,
    "SHELF.items['one']": lambda shop: shop.SHELF.items["one"],
    "SHELF.items[2]": lambda shop: shop.SHELF.items[2],
    "SHELF.items[...]": lambda shop: shop.SHELF.items[3,],
    "SHELF.slotted[0].queue": lambda shop: shop.SHELF.slotted[0].queue,
    "SHELF.slotted[1]": lambda shop: shop.SHELF.slotted[1],
    "OWN['a']": lambda shop: shop.OWN["a"],
    "OWN.attribute": lambda shop: shop.OWN.attribute,
    "GROUP": lambda shop: shop.GROUP,
    "make.<locals>.count.kept": lambda shop: shop.COUNTS[0](1),
    "make.<locals>.count.second": lambda shop: shop.COUNTS[0].__defaults__[0],
    "make.<locals>.count.third": lambda shop: shop.COUNTS[0].__kwdefaults__["third"],
    "make.<locals>.count.own": lambda shop: shop.COUNTS[0].own,
    "__dict__": lambda shop: vars(shop),
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    def run(name: str, source: str) -> Any:
        module = ModuleType(name)
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, module.__file__, "exec"), vars(module))
        return module

    return run


@pytest.mark.parametrize("name", WAYS)
def test_a_container_is_named_by_the_way_to_it(load: Any, name: str) -> None:
    shop = load("leaking_shop", SHOP)
    reached = Reached([("leaking_shop", vars(shop))], [sys.modules, shop], containers.counter)
    assert reached.name(WAYS[name](shop)) == f"leaking_shop.{name}"


def test_what_is_imported_by_others_belongs_to_the_module_that_makes_it(load: Any) -> None:
    makes = load("leaking_longer_name", "CARTS = {}")
    load("leaking_a", "from leaking_longer_name import CARTS")
    load("leaking_b", "from leaking_longer_name import *")
    assert defining(makes.CARTS, "leaking_a") == "leaking_longer_name"


def test_a_module_without_a_source_may_have_made_it(load: Any) -> None:
    value: list[int] = []
    for name in ("leaking_longer_name", "leaking_c"):
        vars(load(name, ""))["CARTS"] = value
    assert defining(value, "leaking_longer_name") == "leaking_c"


def search(source: str) -> Any:
    """What a search finds in a module of that source, whose `grow` is called between looks."""
    done = subprocess.run(
        [sys.executable, SUPPORT / "leaking_search.py"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    return [leaking.Keeper(*keeper) for keeper in found["kept"]], found["more"], found["called"]


GROWING = """
from collections import deque
ROWS, GROUPS, SINGLE = [], {}, []
STEADY, FULL, LOG = [], [], ""
PATH, PATHS = "", ["/", "/longer", "/the longest of them all"]
LEFT = [80, 40, 3]
LAST = None

class Order: pass

def grow():
    global LOG, PATH, LAST
    ROWS.extend(object() for _ in range(8))
    for number in range(4):
        GROUPS.setdefault(number, deque()).extend([1, 2])
    SINGLE.append(1)
    FULL.extend(range(LEFT.pop(0)))
    LOG += "x" * 100
    PATH = PATHS.pop(0)
    for _ in range(5):
        order = Order()
        order.before, LAST = LAST, order
"""


def test_what_grows_steadily_is_told_with_its_sizes_and_objects_by_type() -> None:
    kept, more, _ = search(GROWING)
    assert more["leaking_shop.Order"] == 5
    sizes = {
        keeper.name.removeprefix("leaking_shop."): (
            keeper.ready,
            keeper.before,
            keeper.now,
            keeper.unit,
        )
        for keeper in kept
        if keeper.name.startswith("leaking_shop.")
    }
    text = sys.getsizeof("")
    assert sizes == {
        "ROWS": (0, 16, 24, "entries"),
        "GROUPS[...]": (0, 16, 24, "entries"),
        "LOG": (text, text + 200, text + 300, "bytes"),
    }


HOSTILE = """
import hostile
BY_KEY, NEW = {}, []
KEPT = [*hostile.OBJECTS, *hostile.CLASSES, hostile.keep, hostile.Meta]
hostile.CALLED.clear()

def grow():
    for value in hostile.OBJECTS:
        BY_KEY[len(BY_KEY)] = [value]
        list.append(hostile.OBJECTS[2], [value])
        set.add(hostile.OBJECTS[5], len(BY_KEY))
        NEW.append(type.__new__(hostile.Meta, "New", (list,), {}))
"""


def test_nothing_of_the_app_is_asked() -> None:
    kept, _, called = search(HOSTILE)
    assert {"leaking_shop.BY_KEY", "hostile.OBJECTS[2]", "hostile.OBJECTS[5]"} <= {
        keeper.name for keeper in kept
    }
    assert called == []
