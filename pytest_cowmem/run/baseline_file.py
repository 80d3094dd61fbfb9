"""Read and replace the committed baseline file. Runs in the pytest process."""

import os
import tempfile
from pathlib import Path

from pytest_cowmem.model.baseline import Baseline, dumps, loads
from pytest_cowmem.model.errors import UsageError


def load(path: Path) -> Baseline:
    """The baseline in the file, empty where there is none. UsageError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Baseline()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {path} cannot be read ({error}): mend it, or restore it from git"
        ) from None
    return loads(text, str(path))


def check_writable(path: Path) -> None:
    """UsageError where `write` would fail: better said before a run than after it."""
    if not path.parent.is_dir():
        raise _refused(path, "its folder does not exist")
    if not os.access(path.parent, os.W_OK):
        raise _refused(path, "its folder is not writable")


def write(path: Path, baseline: Baseline) -> None:
    """Replace the file in one step. UsageError where the folder cannot be written."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(dumps(baseline))
            os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None


def _refused(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"the baseline {path} cannot be written ({reason}): "
        "give another place with --cowmem-baseline"
    )
