"""Put the tests as they are over the code of another commit. Runs in a process of its own.

A folder of tests is put there whole: with the data, and with what the tests import from it.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from pytest_cowmem.host.git import Worktree, git
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.made_of import MadeOf

_OF_TESTS = re.compile(r"tests?([_-].*)?|.*[_-]tests?", re.IGNORECASE)


def put(made_of: MadeOf, code: Collection[Path], there: Worktree) -> None:
    """Have the tests there as they are here, and none that is gone; `code` are the apps' files.

    UsageError where they cannot be copied.
    """
    files = [Path(name) for name in (*made_of.files, made_of.config) if name]
    named = {Path(name) for name in made_of.folders}
    try:
        _remove_gone(there, ("conftest.py", *made_of.patterns))
        for folder, alone in _by_folder(files, named, code, there.root):
            if folder:
                _copy_folder(folder, there.moved(folder))
            else:
                _copy(alone, there.moved(alone))
    except OSError as error:  # shutil.Error is one
        raise UsageError(f"the tests cannot be put beside the old code: {error}") from None


def _by_folder(
    files: Iterable[Path], named: Collection[Path], code: Collection[Path], root: Path
) -> Iterable[tuple[Path | None, Path]]:
    """Each file of the checkout that has no folder of tests, and one of each that has."""
    by_folder: dict[Path, tuple[Path | None, Path]] = {}
    for file in files:
        if file.is_relative_to(root):
            folder = folder_of(file, named, code, root)
            by_folder.setdefault(folder or file, (folder, file))
    return by_folder.values()


def folder_of(
    file: Path, named: Collection[Path], code: Collection[Path], root: Path
) -> Path | None:
    """The outermost folder of tests that a file lies in, below the checkout's own; None without.

    It is called so, or `named` to pytest, and holds none of the `code`.
    """
    outermost_first = reversed(file.parents)
    for folder in outermost_first:
        is_below = folder.is_relative_to(root) and folder != root
        is_meant = _OF_TESTS.fullmatch(folder.name) or folder in named
        if is_below and is_meant and not any(one.is_relative_to(folder) for one in code):
            return folder
    return None


def _remove_gone(there: Worktree, patterns: Sequence[str]) -> None:
    """Remove test files and conftests that the present checkout has no more."""
    for name in git("ls-files", "-z", folder=there.tree).split("\0"):
        path = Path(name)
        is_test = any(fnmatch(path.name, pattern) for pattern in patterns)
        if is_test and not (there.root / path).exists():
            (there.tree / path).unlink(missing_ok=True)


def _copy_folder(folder: Path, there: Path) -> None:
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(folder, there, symlinks=True, ignore=_no_tests)


def _no_tests(folder: str, names: Sequence[str]) -> list[str]:
    """What a run leaves behind, and what cannot be copied: sockets, pipes and devices."""
    left = ("__pycache__", ".pytest_cache")
    paths = [Path(folder, name) for name in names]
    return [
        path.name
        for path in paths
        if path.name in left or not (path.is_file() or path.is_dir() or path.is_symlink())
    ]


def _copy(file: Path, there: Path) -> None:
    os.makedirs(there.parent, exist_ok=True)
    shutil.copy2(file, there)
