"""Have the code of another commit imported, and not the present one. Runs in a process of its own.

An editable install, or a folder on PYTHONPATH, has Python import from the present checkout.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest_cowmem
from pytest_cowmem.host.git import Worktree
from pytest_cowmem.model.errors import UsageError


def import_folders(found: Mapping[str, Path], there: Worktree) -> list[Path]:
    """The folders of the present checkout that Python imports from, and that are in both.

    `found` has the files of modules, of which some may be imported by a hook. The folder of this
    plugin is left out: it is to be the same for both.
    """
    own = Path(pytest_cowmem.__file__).resolve().parents[1]
    entries = [Path(entry).resolve() for entry in sys.path]
    folders = {**dict.fromkeys(entries), **dict.fromkeys(_hooked(found))}
    return [folder for folder in folders if folder != own and there.has(folder)]


def _hooked(found: Mapping[str, Path]) -> Iterator[Path]:
    """The folders that the modules' topmost packages lie in."""
    for module, file in found.items():
        yield file.parents[module.count(".") + (file.name == "__init__.py")]


def first_on_path(folders: Iterable[Path]) -> dict[str, str]:
    """The variable that has Python import from these folders before all others."""
    inherited = os.environ.get("PYTHONPATH")
    entries = [*map(str, folders), *([inherited] if inherited else ())]
    return {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}


def refuse_others(ref: str, found: Mapping[str, Path], there: Worktree) -> None:
    """UsageError where modules are not the commit's, but for those of an installed package.

    Where all are of such packages, there is nothing to compare.
    """
    others = {name: file for name, file in found.items() if not file.is_relative_to(there.tree)}
    present = {name: file for name, file in others.items() if _is_present(file, there)}
    wrong = others if len(others) == len(found) else present
    for module, file in wrong.items():
        raise UsageError(
            f"{module} is imported from {file}, and not from {ref}: install its package editable "
            "(pip install --editable), or add its folder to pythonpath in pytest's configuration"
        )


def _is_present(file: Path, there: Worktree) -> bool:
    """Whether a file is of the present checkout; a venv that lies there is not."""
    return file.is_relative_to(there.root) and not file.is_relative_to(sys.prefix)
