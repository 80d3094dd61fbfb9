"""Imports between the package's folders go one way."""

import ast
from pathlib import Path

import pytest

import pytest_cowmem

PACKAGE = Path(pytest_cowmem.__file__).parent
# What each folder may import besides itself. The modules at the top are what pytest always loads.
ALLOWED = {
    "model": set(),
    "zygote": set(),
    "host": {"model", "zygote"},
    "judge": {"model"},
    "explain": {"model", "host", "zygote"},
    "report": {"model"},
    "files": {"model", "report"},
    "run": {"model", "host", "judge", "explain", "report", "files", "options"},
    "cli": {"model", "host", "zygote", "judge", "report", "files"},
}


def imported(file):
    """The folders or top modules of the package that a file imports, in functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("pytest_cowmem"):
            parts = module.split(".")[1:] or [alias.name for alias in node.names]
            yield parts[0]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_lies_below_it(folder):
    arrows = {
        (file.name, name) for file in (PACKAGE / folder).rglob("*.py") for name in imported(file)
    }
    assert {arrow for arrow in arrows if arrow[1] not in ALLOWED[folder] | {folder}} == set()


def test_every_folder_is_held_to_that():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(ALLOWED)
