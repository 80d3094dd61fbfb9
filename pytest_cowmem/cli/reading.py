"""Files that a command is given: reports and baselines. Runs in a process of its own."""

import json
from pathlib import Path

from pytest_cowmem.files import baseline, report
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.baseline_text import has_conflict
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError


def read(path: Path) -> Document | Baseline:
    """The run in a JSON report, or a baseline. UsageError where a file is neither."""
    if not path.exists():
        raise UsageError(f"there is no file {path}: name a JSON report or a baseline")
    try:
        keys = _keys(path)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is neither a report nor a baseline ({error}): make a report anew with "
            "--cowmem-report, or restore a baseline from git"
        ) from None
    return report.load(path) if "records" in keys else baseline.load(path)


def _keys(path: Path) -> set[str]:
    """The keys of a file's object. OSError, ValueError or RecursionError for what is no such file.

    One with conflict markers is a baseline, which says how to mend that: nobody commits reports.
    """
    if not path.is_file():  # a FIFO would never end
        raise OSError("it is not a regular file")
    text = path.read_text(encoding="utf-8")
    data = {"profiles": {}} if has_conflict(text) else json.loads(text)
    if not (isinstance(data, dict) and {"records", "profiles"} & {*data}):
        raise ValueError("it has neither records nor profiles")
    return {*data}
