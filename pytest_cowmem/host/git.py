"""What git tells, and checkouts of its commits. Runs in the process that asks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.errors import UsageError


def git(*words: str, folder: Path | None = None, mend: str = "name a commit") -> str:
    """What git prints; no hook runs. UsageError with the `mend` where it refuses, or is missing."""
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *words]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("git is not installed: install it") from None
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise UsageError(f"git {words[0]} said: {said}: {mend}")
    return done.stdout.strip()


def head(folder: Path) -> Commit | None:
    """The commit that a folder has, and whether files differ from it; None outside of git."""
    try:
        identity = git("rev-parse", "HEAD", folder=folder)
        differs = git("status", "--porcelain", "--untracked-files=no", folder=folder)
    except (UsageError, OSError):
        return None
    return Commit(identity, bool(differs))


def last_change(file: Path) -> Commit | None:
    """The commit that changed a file last, and whether it differs from that; None without one."""
    try:
        identity = git("log", "-1", "--format=%H", "--", file.name, folder=file.parent)
        differs = git("status", "--porcelain", "--", file.name, folder=file.parent)
    except (UsageError, OSError):
        return None
    return Commit(identity, bool(differs)) if identity else None


@contextmanager
def worktree(ref: str, mend: str = "name a commit") -> Iterator[tuple[Path, list[str]]]:
    """A checkout of a commit, and there the present folder and what of `sys.path` it has."""
    root = Path(git("rev-parse", "--show-toplevel", mend=mend))
    with TemporaryDirectory(prefix="pytest-cowmem-") as temporary:
        tree = Path(temporary).resolve() / "tree"
        git("worktree", "add", "--detach", str(tree), ref, mend=mend)
        try:
            entries = [Path(entry).resolve() for entry in (os.curdir, *sys.path)]
            moved = [
                tree / entry.relative_to(root) for entry in entries if entry.is_relative_to(root)
            ]
            if not moved[0].is_dir():
                raise UsageError(f"{ref} has no {Path.cwd()}: go to a folder that it has")
            yield tree, [str(folder) for folder in moved if folder.is_dir()]
        finally:
            git("worktree", "remove", "--force", str(tree))
