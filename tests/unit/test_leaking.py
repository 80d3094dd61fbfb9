"""How what leaks is named, and that nothing of the app is asked on the way."""

import sys
from types import ModuleType
from typing import Any

import pytest
from hostile import CALLED, CLASSES, OBJECTS, Meta, keep

from pytest_cowmem.zygote import messages, worker
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


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`search(grow)` calls `grow` once between looks, and tells what is left."""
    config: dict[str, Any] = {
        "target": "leaking_shop:app",
        "path": [],
        "after_fork": None,
        "gc": "default",
    }

    def run(grow: Any) -> Any:
        preloaded = worker.Preloaded(object(), None, config)  # type: ignore[arg-type]
        monkeypatch.setattr(leaking, "_search", None)
        for _ in range(3):
            assert leaking.answer(messages.LOOK) == (messages.LOOK,)
            grow()
        del preloaded
        kind, told, more = leaking.answer(messages.LEFT)
        assert kind == messages.LEFT
        return [leaking.Keeper(*keeper) for keeper in told], dict(more)

    return run


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


def test_what_grows_steadily_is_told_with_its_sizes_and_objects_by_type(
    load: Any, search: Any
) -> None:
    shop = load("leaking_shop", GROWING)
    kept, more = search(shop.grow)
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


def test_nothing_of_the_app_is_asked(load: Any, search: Any) -> None:
    shop = load("leaking_shop", "BY_KEY, NEW = {}, []")
    shop.KEPT = [*OBJECTS, *CLASSES, keep, Meta]
    CALLED.clear()

    def grow() -> None:
        for value in OBJECTS:
            shop.BY_KEY[len(shop.BY_KEY)] = [value]
            list.append(OBJECTS[2], [value])
            set.add(OBJECTS[5], len(shop.BY_KEY))
            shop.NEW.append(type.__new__(Meta, "New", (list,), {}))

    kept, _ = search(grow)
    assert {"leaking_shop.BY_KEY", "hostile.OBJECTS[2]", "hostile.OBJECTS[5]"} <= {
        keeper.name for keeper in kept
    }
    assert CALLED == []
