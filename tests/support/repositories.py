"""Git repositories for tests to look into. Runs in the process of the tests."""

import os
import subprocess
from pathlib import Path

_NAMES = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    """What git prints, whatever this machine's own configuration says."""
    environ = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *_NAMES, *words]
    done = subprocess.run(
        command, cwd=folder, check=True, env=environ, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files, by their path in the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


def repository(folder: Path, files: dict[str, str]) -> Path:
    """A repository with one commit on main, which has these files."""
    folder.mkdir(exist_ok=True, parents=True)
    git(folder, "init", "-q", "-b", "main")
    return commit(folder, files, "one")


def commit(folder: Path, files: dict[str, str], subject: str) -> Path:
    """One commit more, in which these files are as they are given."""
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", subject)
    return folder
