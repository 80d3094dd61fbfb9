"""What git tells, and checkouts of its commits. Runs in the process that asks."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.history import Change

# What `git log --raw -z` tells of a commit, in the format that `versions` asks for.
_LOGGED = re.compile(
    r"(?P<commit>[0-9a-f]+)\0(?P<day>[\d-]+)\0(?P<subject>[^\0]*)\0\n"
    r":\d+ \d+ [0-9a-f]+ (?P<blob>[0-9a-f]+) "
)
_PREFIX = "cowmem-"
_ADDED = len("/01234567")  # to a temporary folder's name, by the module tempfile


def git(*words: str, folder: Path | None = None, mend: str = "name a commit") -> str:
    """What git prints; no hook runs. UsageError with the `mend` where it refuses, or is missing."""
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *words]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace"
        )
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


def commit(ref: str) -> Commit:
    """The commit that a branch, a tag or a hash names. UsageError where the clone has none."""
    mend = "name one that this clone has, or fetch it"
    if git("rev-parse", "--is-shallow-repository", mend="go to a folder of a clone") == "true":
        mend = "this clone is shallow, and git fetch --unshallow gets the rest"
    name = f"{ref}^{{commit}}"
    return Commit(git("rev-parse", "--verify", "--end-of-options", name, mend=mend))


@dataclass(frozen=True)
class Worktree:
    """A checkout of a commit in `tree`, beside the present one in `root`."""

    root: Path
    tree: Path

    def moved(self, path: Path) -> Path:
        """Where a path of the present checkout is in the other; one outside of it stays."""
        path = path.resolve()
        return self.tree / path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def has(self, folder: Path) -> bool:
        """Whether a folder lies in the present checkout, and is in the other as well."""
        return folder.resolve().is_relative_to(self.root) and self.moved(folder).is_dir()


@contextmanager
def worktree(ref: str, mend: str = "name a commit") -> Iterator[Worktree]:
    """A checkout of a commit. UsageError where it lacks the present folder.

    Its path is as long as that of the present one where it can be: a path is in each code object,
    so that the objects of the same code then lie alike.
    """
    root = Path(git("rev-parse", "--show-toplevel", mend=mend))
    parent = os.path.realpath(gettempdir())
    room = max(0, len(str(root)) - len(parent) - _ADDED)
    prefix = _PREFIX.ljust(room, "-")[:room] or _PREFIX
    with TemporaryDirectory(prefix=prefix, dir=parent) as temporary:
        there = Worktree(root, Path(temporary))
        try:
            git("worktree", "add", "--detach", temporary, ref, mend=mend)
            if not there.moved(Path.cwd()).is_dir():
                raise UsageError(f"{ref} has no {Path.cwd()}: go to a folder that it has")
            yield there
        finally:
            with suppress(UsageError):  # where it was not even added
                git("worktree", "remove", "--force", temporary)


def versions(file: Path, revisions: str) -> list[tuple[Change, str | None]]:
    """What a file held after each commit that changed it, the oldest first; None where not there.

    The commits are those of the first parents, so that a merged branch is one of them. A renamed
    file is followed. `revisions` is a commit or a range, as git log takes it. UsageError where git
    knows none.
    """
    told = git(
        *("log", "--first-parent", "--follow", "--raw", "--no-abbrev", "-z"),
        *("--format=%H%x00%cs%x00%s", "--end-of-options", revisions, "--", file.name),
        folder=file.parent,
        mend="name a file in a clone, and a commit that it has",
    )
    found = [*_LOGGED.finditer(told)][::-1]
    texts = _contents([one["blob"] for one in found], file.parent)
    changes = (Change(one["commit"], one["day"], one["subject"]) for one in found)
    return [*zip(changes, texts, strict=True)]


def _contents(blobs: Sequence[str], folder: Path) -> Iterator[str | None]:
    """The text of each blob, by one process; None for what is not there."""
    with subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        told, _ = process.communicate("".join(f"{blob}\n" for blob in blobs).encode())
    at = 0
    for _ in blobs:
        end = told.index(b"\n", at)
        head, at = told[at:end], end + 1
        if head.endswith(b" missing"):
            yield None
            continue
        size = int(head.rpartition(b" ")[2])
        yield told[at : at + size].decode("utf-8", "replace")
        at += size + 1
