"""Lines named for the pages they cost, in real forks of programs whose cause is known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traced_forks import HERE, Parent

from pytest_cowmem.measure.kernel import PAGE
from pytest_cowmem.zygote.fold import Folder

PROGRAMS = HERE / "known_causes.py"


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    with Parent("known_causes") as started:
        yield started


def marked_line(name: str) -> int:
    """The number of the line that ends in `# name`."""
    return next(number for number, line in enumerate(PROGRAMS.read_text().splitlines(), 1) if f"# {name}" in line)


def pages(rows: "list[tuple[Any, ...]]") -> int:
    return sum(row[-1] for row in rows)


def at_line(told: "dict[str, Any]", name: str) -> int:
    """The pages charged to the marked line, the collections that came at it included."""
    place = str(PROGRAMS), marked_line(name)
    return pages([row for row in told["lines"] if row[:2] == place]) + pages([row for row in told["collections"] if row[1:3] == place])


CAUSES = [
    "read_shared",
    "build_list",
    "fill_cache",
    "collect",
    "import_late",
    "compile_pattern",
    "leak",
    "parse_json",
    "fill_sqlite",
    "in_thread",
    "allocate_after_return",
    "allocate_after_raise",
    "allocate_in_generator",
]


@pytest.mark.parametrize("cause", CAUSES)
def test_a_known_cause_is_named(parent: Parent, cause: str) -> None:
    private = parent.private(cause)
    told = parent.traced(cause)
    explained = pages(told["lines"]) + pages(told["collections"])
    assert private > 100 * PAGE
    assert explained * PAGE >= 0.9 * private
    assert explained + told["tracer"] <= 1.01 * told["total"]
    assert at_line(told, cause) >= 0.9 * explained
    assert told["tracer"] * PAGE <= 0.1 * private


def test_a_collection_is_kept_apart_from_its_line(parent: Parent) -> None:
    told = parent.traced("collect")
    (generation, path, line, function, *_, times, faults) = told["collections"][0]
    assert (generation, path, line, function, times) == (2, str(PROGRAMS), marked_line("collect"), "collect", 1)
    assert faults > 20 * pages([row for row in told["lines"] if row[1] == line])


def test_a_late_import_names_its_module(parent: Parent) -> None:
    rows = parent.traced("import_late")["lines"]
    importing = {row[6] for row in rows if row[:2] == (str(PROGRAMS), marked_line("import_late"))}
    assert importing >= {("pydoc_data.topics", "pydoc_data"), ("pydoc_data.topics", "pydoc_data.topics")}
    inner = pages([row for row in rows if row[6] and row[6][1] == "pydoc_data.topics"])
    assert inner > 3 * pages([row for row in rows if row[6] and row[6][1] == "pydoc_data"])


def test_library_lines_stand_beside_the_line_that_called(parent: Parent) -> None:
    row = parent.traced("parse_json")["lines"][0]
    assert row[:3] == (str(PROGRAMS), marked_line("parse_json"), "parse_json")
    assert Path(row[3]).parts[-2:] == ("json", "decoder.py")
    assert row[5].endswith("raw_decode")


def test_an_empty_scenario_has_next_to_nothing(parent: Parent) -> None:
    told = parent.traced("empty")
    assert told["total"] < 50
    assert pages([row for row in told["lines"] if row[0]]) < 30


def test_app_files_are_told_from_libraries() -> None:
    folder = Folder(["/srv/shop"])
    assert folder.is_app("/srv/shop/views.py")
    assert folder.is_app("/srv/shop/lib/cart.py")
    assert not folder.is_app("/srv/shopping/views.py")
    assert not folder.is_app("/srv/shop/.venv/lib/python3.12/site-packages/flask/app.py")
    assert not folder.is_app("/srv/shop/vendor/site-packages/flask/app.py")
    assert not folder.is_app("<frozen importlib._bootstrap>")
    assert not folder.is_app(str(Path(Folder.__init__.__code__.co_filename)))
    assert Folder(["/usr/lib/python3/dist-packages/shop"]).is_app("/usr/lib/python3/dist-packages/shop/views.py")
