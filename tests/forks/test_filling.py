"""The line that fills a container is told for sure, or not at all."""

import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from pytest_cowmem.zygote.trace import containers
from pytest_cowmem.zygote.trace.filling import FillSearch

ORDERS = """
CACHE = {}
def put(key, value):
    CACHE.setdefault(key, value)
class Shelf:
    def __init__(self):
        self.items = []
    def add(self, item):
        self.items.append(item)
SHELF = Shelf()
"""


class Shop:
    """Modules made of source, and where the code of `ran` fills the containers of one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def load(self, name: str, source: str) -> Any:
        module = ModuleType(name)
        module.__file__ = f"/shop/{name}.py"
        self._monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, module.__file__, "exec"), vars(module))
        return module

    def filled(
        self, name: str, *ran: "FunctionType | CodeType", faults: "dict[int, int] | None" = None
    ) -> "tuple[str, int] | None":
        """The file's name and the line of what fills the container of that name.

        `faults` are those of lines in that module's file.
        """
        root = name.partition(".")[0]
        modules = frozenset(it for it in sys.modules if it.partition(".")[0] == root)
        by_name = {places[0].name: places for places, _ in containers.counted(modules)}
        codes: list[Any] = [getattr(it, "__code__", it) for it in ran]
        by_line = {(f"/shop/{root}.py", line): count for line, count in (faults or {}).items()}
        place = FillSearch(codes, by_line).filled_at(*by_name[name])
        return place and (place[0].rpartition("/")[2], place[1])


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


def test_another_modules_container_of_that_name_is_not_taken_for_it(shop: Shop) -> None:
    aaa = shop.load("aaa", "CACHE = {}\ndef remember(key, value): CACHE[key] = value\n")
    orders = shop.load("orders", ORDERS)
    assert shop.filled("orders.CACHE", aaa.remember, orders.put) == ("orders.py", 4)
    assert shop.filled("orders.CACHE", aaa.remember) is None
    assert shop.filled("aaa.CACHE", aaa.remember, orders.put) == ("aaa.py", 2)


@pytest.mark.parametrize(
    "source",
    [
        "from orders import CACHE as C\ndef fill(): C['x'] = 1",
        "import orders as o\ndef fill(): o.CACHE['x'] = 1",
        "import orders; CACHE = {}\ndef fill(): orders.CACHE['x'] = 1",
        "\ndef fill(): import orders; orders.CACHE['x'] = 1",
        "\ndef fill(): from orders import CACHE; CACHE['x'] = 1",
        "\ndef fill(): from orders import CACHE as C; C['x'] = 1",
    ],
)
def test_other_modules_fill_what_they_import(shop: Shop, source: str) -> None:
    shop.load("orders", ORDERS)
    views = shop.load("views", source)
    assert shop.filled("orders.CACHE", views.fill) == ("views.py", 2)


def test_methods_fill_what_their_instances_keep(shop: Shop) -> None:
    orders = shop.load("orders", ORDERS)
    views = shop.load("views", "class Other:\n def add(self, item): self.items.append(item)\n")
    assert shop.filled("orders.SHELF.items", views.Other.add, orders.Shelf.add) == ("orders.py", 9)
    assert shop.filled("orders.SHELF.items", views.Other.add) is None


def test_two_functions_that_may_fill_it_are_not_told_apart(shop: Shop) -> None:
    orders = shop.load(
        "orders", ORDERS + "def swap(key): CACHE[key] = 1\ndef look(key): return CACHE[key]\n"
    )
    assert shop.filled("orders.CACHE", orders.put, orders.swap, orders.look) is None
    assert shop.filled("orders.CACHE", orders.put, orders.look) == ("orders.py", 4)


def test_of_two_lines_in_a_function_the_one_that_took_memory_is_told(shop: Shop) -> None:
    one = " if key:\n  CACHE[key] = 1\n"
    orders = shop.load("orders", f"{ORDERS}def put_either(key):\n{one} else:\n  CACHE[0] = 2\n")

    def filled(faults: "dict[int, int]") -> "tuple[str, int] | None":
        return shop.filled("orders.CACHE", orders.put_either, faults=faults)

    assert filled({15: 1}) == ("orders.py", 15)
    assert filled({13: 9, 15: 1}) == ("orders.py", 13)
    assert filled({11: 99}) is None


CLOSURES = """
def make():
    kept, other = [], []
    def count(value, seen={}):
        print(kept)
        other.append(1)
        kept.append(value)
        seen[value] = other
    return count
COUNT = make()
"""


def test_a_function_fills_what_its_closure_and_defaults_keep(shop: Shop) -> None:
    shop.load("counts", CLOSURES)
    assert shop.filled("counts.make.<locals>.count.kept") == ("counts.py", 7)
    assert shop.filled("counts.make.<locals>.count.seen") == ("counts.py", 8)


def test_a_line_that_only_names_it_is_told_where_none_stores(shop: Shop) -> None:
    orders = shop.load("orders", ORDERS + "def lend(other):\n x = 1\n other.take(CACHE)\n")
    assert shop.filled("orders.CACHE", orders.lend) == ("orders.py", 13)


def test_a_line_that_makes_it_is_told_where_none_fills_it(shop: Shop) -> None:
    lazy = shop.load("lazy", "CACHE = None\ndef load():\n global CACHE\n CACHE = dict(a=1)\n")
    lazy.load()
    assert shop.filled("lazy.CACHE", lazy.load) == ("lazy.py", 4)


def test_constants_are_not_asked(shop: Shop) -> None:
    from hostile import OBJECTS

    orders = shop.load("orders", ORDERS + "def odd(): CACHE[0] = 'constant'\n")
    code = orders.odd.__code__
    odd = code.replace(
        co_consts=tuple(OBJECTS[0] if value == "constant" else value for value in code.co_consts)
    )
    assert shop.filled("orders.CACHE", odd) == ("orders.py", 11)


def test_a_line_leads_to_a_container_by_any_of_its_names(shop: Shop) -> None:
    rows = shop.load("store.rows", "CACHE = {}\n")
    shop.load("store", "").CACHE = rows.CACHE
    views = shop.load("views", "\ndef fill(): from store.rows import CACHE; CACHE['x'] = 1")
    assert shop.filled("store.CACHE", views.fill) == ("views.py", 2)
