"""Which files are the tests', and which the code that they are to be put over."""

import sys
from pathlib import Path

import pytest
from repositories import git, repository, write

from pytest_cowmem.cli.old_code import refuse_others
from pytest_cowmem.cli.present_tests import folder_of, put
from pytest_cowmem.host.git import Worktree
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.made_of import MadeOf

ROOT = Path("/home/ada/tests/shop")
NAMED = {ROOT, ROOT / "checks", ROOT / "store"}  # `store` has the app and its tests


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("tests/unit/test_a.py", "tests"),
        ("shop/tests/inner/test_a.py", "shop/tests"),
        ("integration_tests/test_a.py", "integration_tests"),
        ("checks/test_a.py", "checks"),
        ("test_a.py", None),
        ("store/test_a.py", None),
        ("store/test/test_a.py", "store/test"),
        ("testimonials/test_a.py", None),
    ],
)
def test_a_folder_of_tests_is_called_so_or_named_and_has_no_app(file, folder):
    found = folder_of(ROOT / file, NAMED, [ROOT / "store" / "wsgi.py"], ROOT)
    assert found == (ROOT / folder if folder else None)


def test_the_checkout_itself_is_no_folder_of_tests():
    root = Path("/home/ada/tests")
    assert folder_of(root / "test_a.py", {root}, [], root) is None


@pytest.fixture
def checkouts(tmp_path):
    """A checkout, and another of its one commit."""
    files = {
        "shop/app.py": "old",
        "shop/left.py": "old",
        "shop/test_app.py": "old",
        "shop/test_gone.py": "",
        "conftest.py": "",
        "tests/test_gone.py": "",
        "tests/data.txt": "old",
        "pytest.ini": "old",
    }
    root = repository(tmp_path / "here", files)
    git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "there"))
    return Worktree(root, tmp_path / "there")


def contents(folder):
    names = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".git")
    return {str(path.relative_to(folder)): path.read_text() for path in names}


def test_tests_are_as_they_are_here_and_the_code_as_it_was(checkouts):
    root = checkouts.root
    for gone in ("shop/left.py", "shop/test_gone.py", "conftest.py", "tests/test_gone.py"):
        (root / gone).unlink()
    changed = {"tests/__pycache__/x.pyc": "", "tests/data.txt": "new", "tests/test_new.py": "new"}
    write(root, {"shop/app.py": "new", "shop/test_app.py": "new", "pytest.ini": "new", **changed})
    tests = [str(root / name) for name in ("shop/test_app.py", "tests/test_new.py")]
    config = str(root / "pytest.ini")
    put(MadeOf(str(root), config, (*tests,), (), ("test_*.py",), (), ()), [], checkouts)
    assert contents(checkouts.tree) == {
        "pytest.ini": "new",
        "shop/app.py": "old",
        "shop/left.py": "old",
        "shop/test_app.py": "new",
        "tests/data.txt": "new",
        "tests/test_new.py": "new",
    }


def test_code_that_is_not_the_commits_is_refused():
    there = Worktree(Path("/shop"), Path("/tmp/tree"))
    old, library = {"shop": Path("/tmp/tree/shop.py")}, {"flask": Path("/lib/flask.py")}
    refuse_others("main", old, there)
    refuse_others("main", {**old, **library}, there)
    refuse_others("main", {}, there)
    for wrong in ({**old, "shop.b": Path("/shop/src/shop/b.py")}, library):
        with pytest.raises(UsageError, match="and not from main: install its package editable"):
            refuse_others("main", wrong, there)


def test_a_venv_within_the_checkout_is_not_of_it(monkeypatch):
    there = Worktree(Path("/shop"), Path("/tmp/tree"))
    found = {"shop": Path("/tmp/tree/shop.py"), "flask": Path("/shop/.venv/lib/flask.py")}
    with pytest.raises(UsageError):
        refuse_others("main", found, there)
    monkeypatch.setattr(sys, "prefix", "/shop/.venv")
    refuse_others("main", found, there)
