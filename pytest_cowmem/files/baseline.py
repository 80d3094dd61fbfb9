"""Read and replace the committed baseline file. Runs in the process that asks."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_cowmem.files.replace import replace_text
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.baseline_text import dumps, loads
from pytest_cowmem.model.errors import UsageError

_LOCK_SECONDS = 30.0


def load(path: Path) -> Baseline:
    """The baseline in the file, empty where there is none. UsageError when it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a FIFO would never end
            raise OSError("it is not a regular file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Baseline()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {path} cannot be read ({error}): mend it, restore it from git, "
            "or name another file"
        ) from None
    return loads(text, str(path))


def check_writable(path: Path) -> None:
    """UsageError where `rewrite` would fail: better said before a run than after it."""
    folder = _target(path).parent
    if not folder.is_dir():
        raise _refused(path, "its folder does not exist")
    if not os.access(folder, os.W_OK):
        raise _refused(path, "its folder is not writable")


def rewrite(path: Path, change: Callable[[Baseline], Baseline]) -> None:
    """Replace the file, in one step, by what `change` makes of it as it is now.

    Runs that do so at once wait for each other. A link stays one. UsageError where the file cannot
    be read or written.
    """
    try:
        with _locked(path):
            replace_text(path, dumps(change(load(path))))
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on the file's folder, which leaves no file behind.

    A file system that locks no folders, as NFS, is written to without: flock(2).
    """
    folder = os.open(_target(path).parent, os.O_RDONLY | os.O_DIRECTORY)
    give_up = time.monotonic() + _LOCK_SECONDS
    try:
        while not _lock(folder):
            if time.monotonic() > give_up:
                raise _refused(path, "another process has locked its folder")
            time.sleep(0.01)
        yield
    finally:
        os.close(folder)


def _lock(folder: int) -> bool:
    """Whether a folder is locked now, or cannot be."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _target(path: Path) -> Path:
    """The file itself, where the baseline is a link to it."""
    return Path(os.path.realpath(path))


def _refused(path: Path, reason: str) -> UsageError:
    return UsageError(f"the baseline {path} cannot be written ({reason}): name another place")
