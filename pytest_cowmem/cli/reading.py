"""Files that a command is given: reports and baselines. Runs in a process of its own."""

import json
from pathlib import Path

from pytest_cowmem.files import baseline, report
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError


def read(path: Path) -> Document | Baseline:
    """The run in a JSON report, or a baseline. UsageError where a file is neither."""
    if not path.exists():
        raise UsageError(f"there is no file {path}: name a JSON report or a baseline")
    return report.load(path) if _is_report(path) else baseline.load(path)


def _is_report(path: Path) -> bool:
    """Whether a file has a run's records; what cannot be told is for the baseline to refuse."""
    try:
        data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "records" in data
