"""Replace a file in one step. Runs in the process that writes."""

import os
import tempfile
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Have a file hold a text, as UTF-8. Whoever reads meanwhile finds the old text or the new.

    A link stays one, and a file keeps its mode. OSError where it cannot be written.
    """
    path = Path(os.path.realpath(path))
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # What is no character, as a byte of a file's name may be, is written as JSON escapes it.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
