"""Lines named for the pages they cost, in real forks of programs whose cause is known."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile
import pytest
from traced_forks import HERE, Parent

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.zygote.trace.stacks import StackTable

PROGRAMS, LATE = HERE / "known_causes.py", HERE / "late_causes.py"


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    with Parent("known_causes") as started:
        yield started


def marked_line(name: str) -> int:
    """The number of the line that ends in `# name`."""
    return next(
        number
        for number, line in enumerate(PROGRAMS.read_text().splitlines(), 1)
        if f"# {name}" in line
    )


def pages(rows: "list[tuple[Any, ...]]") -> int:
    return sum(row[-1] for row in rows)


def at_line(told: "dict[str, Any]", name: str) -> int:
    """The pages charged to the marked line, the collections that came at it included."""
    place = str(PROGRAMS), marked_line(name)
    return pages([row for row in told["lines"] if row[:2] == place]) + pages(
        [row for row in told["collections"] if row[1:3] == place]
    )


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
    "in_raw_thread",
    "in_waiting_thread",
    "after_settrace",
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


def test_a_full_stack_ends_tracing_until_a_collection_at_most(parent: Parent) -> None:
    told = parent.traced("after_full_stack")
    assert told["lines"][0][:2] == (str(PROGRAMS), marked_line("after_full_stack"))
    assert told["unseen"] < 0.1 * told["total"]


def test_what_nobody_listened_to_is_told(parent: Parent) -> None:
    told = parent.traced("unseen")
    charged = at_line(told, "after_full_stack")
    # CPython 3.11 keeps frames in chunks of 16 KiB. Where the stack ends with one, each event maps
    # the next one anew: up to 4,800 faults here, and all of them the tracer's own.
    filling = pages([row for row in told["lines"] if row[2] == "fill_stack"])
    others = told["total"] - told["tracer"] - filling
    assert charged + told["unseen"] >= 0.9 * others
    assert (told["unseen"] > charged) is (sys.version_info < (3, 12))


def test_a_collection_is_kept_apart_from_its_line(parent: Parent) -> None:
    told = parent.traced("collect")
    (generation, path, line, function, *_, times, faults) = told["collections"][0]
    assert (generation, path, line, function, times) == (
        2,
        str(PROGRAMS),
        marked_line("collect"),
        "collect",
        1,
    )
    assert faults > 20 * pages([row for row in told["lines"] if row[1] == line])


def test_a_late_import_names_its_module(parent: Parent) -> None:
    rows = parent.traced("import_late")["lines"]
    importing = {row[6] for row in rows if row[:2] == (str(PROGRAMS), marked_line("import_late"))}
    assert importing >= {
        ("pydoc_data.topics", "pydoc_data"),
        ("pydoc_data.topics", "pydoc_data.topics"),
    }
    inner = pages([row for row in rows if row[6] and row[6][1] == "pydoc_data.topics"])
    assert inner > 3 * pages([row for row in rows if row[6] and row[6][1] == "pydoc_data"])


def test_a_late_import_of_the_apps_own_is_charged_to_the_line_that_imports(parent: Parent) -> None:
    rows = parent.traced("import_own")["lines"]
    mine = [row for row in rows if row[:2] == (str(PROGRAMS), marked_line("import_own"))]
    assert pages(mine) >= 0.9 * pages(rows)
    assert not [row for row in rows if row[0] == str(LATE)]
    beside = {row[3:6] for row in mine if row[6] == ("late_causes", "late_causes")}
    assert {line for path, line, _ in beside if path == str(LATE)} >= {4, 5, 6}


def test_library_lines_stand_beside_the_line_that_called(parent: Parent) -> None:
    row = parent.traced("parse_json")["lines"][0]
    assert row[:3] == (str(PROGRAMS), marked_line("parse_json"), "parse_json")
    assert Path(row[3]).parts[-2:] == ("json", "decoder.py")
    assert row[5].endswith("raw_decode")


def test_an_empty_scenario_has_next_to_nothing(parent: Parent) -> None:
    told = parent.traced("empty")
    assert told["total"] < 50
    assert pages([row for row in told["lines"] if row[0]]) < 30


def test_the_twin_knows_the_code_and_charges_nothing(parent: Parent) -> None:
    codes, rows = parent.prepared("leak")
    assert codes > 1_000
    assert rows == 0


def test_app_files_are_told_from_libraries() -> None:
    table = StackTable(["/srv/shop"])
    assert table.is_app("/srv/shop/views.py")
    assert table.is_app("/srv/shop/lib/cart.py")
    assert not table.is_app("/srv/shopping/views.py")
    assert not table.is_app("/srv/shop/.venv/lib/python3.12/site-packages/flask/app.py")
    assert not table.is_app("/srv/shop/vendor/site-packages/flask/app.py")
    assert not table.is_app("<frozen importlib._bootstrap>")
    assert not table.is_app(str(Path(StackTable.__init__.__code__.co_filename)))


def test_an_app_that_is_installed_is_no_library() -> None:
    assert StackTable(["/usr/lib/python3/dist-packages/shop"]).is_app(
        "/usr/lib/python3/dist-packages/shop/views.py"
    )
    for installed in (
        f"{os.path.dirname(os.__file__)}/site-packages",
        "/srv/shop/.venv/lib/python3.12/site-packages",
    ):
        table = StackTable(["/srv/shop", "/", f"{installed}/shop"])
        assert table.is_app(f"{installed}/shop/views.py")
        assert not table.is_app(f"{installed}/flask/app.py")
        assert not table.is_app(f"{installed}/shop/vendor/site-packages/six.py")
        assert not table.is_app(os.__file__)


def test_a_file_whose_name_is_no_plain_string_is_not_asked() -> None:
    assert StackTable(["/srv/shop"]).is_app(hostile.Text("/srv/shop/views.py"))
    assert hostile.CALLED == []
