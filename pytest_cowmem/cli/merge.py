"""`cowmem merge`: parts of a run, or of a baseline, made one. Runs in a process of its own.

git runs it too, to merge a baseline of two branches.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_cowmem.cli.reading import read
from pytest_cowmem.files import baseline, report
from pytest_cowmem.files.replace import replace_text
from pytest_cowmem.judge.shards import one_baseline, one_document
from pytest_cowmem.judge.three_way import conflicting, merged
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.baseline_conflict import conflict_text
from pytest_cowmem.model.baseline_text import dumps
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.report.files import FORMATS

HELP = "make one of the reports of shards or matrix jobs, or of baselines"

_SIDES = ("the common ancestor", "our side", "their side")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    files = "JSON reports, or baselines"
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=files)
    one_of = parser.add_mutually_exclusive_group(required=True)
    written = "the file to write; may be given again for a run, in another format"
    one_of.add_argument("-o", "--output", type=Path, metavar="PATH", action="append", help=written)
    git = "merge the baselines %%O %%A %%B into %%A, as a merge driver of git"
    one_of.add_argument("--git", action="store_true", help=git)


def run(options: argparse.Namespace) -> int:
    """Write what is merged; returns 1 where parts contradict each other, or sides conflict."""
    try:
        if options.git:
            return _drive(options.files)
        _merge(options.files, options.output)
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return 1
    return 0


def _merge(files: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Write what files of one kind have together. UsageError where that cannot be."""
    parts = [(str(path), read(path)) for path in files]
    runs = [(name, part) for name, part in parts if isinstance(part, Document)]
    baselines = [(name, part) for name, part in parts if isinstance(part, Baseline)]
    if runs and baselines:
        raise UsageError(
            f"{runs[0][0]} is a report, and {baselines[0][0]} a baseline: merge files of one kind"
        )
    if runs:
        document = one_document(runs)
        for path in outputs:
            report.check_writable(path)
        for path in outputs:
            report.write(document, path)
    else:
        whole = one_baseline(baselines)
        for path in outputs:
            _check_json(path)
        for path in outputs:
            baseline.rewrite(path, lambda _: whole)
    for path in outputs:
        print(f"merged: {path}")


def _check_json(path: Path) -> None:
    """UsageError where a baseline would be in a file whose name says that it is something else."""
    if [suffix for suffix in FORMATS if path.name.endswith(suffix)] != [".json"]:
        raise UsageError(
            f"baselines are merged into a baseline, which {path} is not by its name: "
            "end it in .json, or merge reports"
        )


def _drive(files: Sequence[Path]) -> int:
    """Merge what two branches made of a baseline into the second file; 1 for a conflict."""
    if len(files) != len(_SIDES):
        raise UsageError(
            "a merge driver is given three files: "
            "git config merge.cowmem.driver 'cowmem merge --git %O %A %B'"
        )
    target = files[1]
    try:
        sides = [_version(*pair) for pair in zip(files, _SIDES, strict=True)]
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return _as_text(files)
    both, conflicts = merged(*sides)
    replace_text(target, conflict_text(*conflicting(*sides)) if conflicts else dumps(both))
    for profile, test in conflicts:
        print(f"cowmem: both sides changed {test} ({profile}): take one", file=sys.stderr)
    return int(bool(conflicts))


def _version(path: Path, side: str) -> Baseline:
    """The baseline of a side, which git hands over as an empty file where there was none."""
    try:
        return baseline.load(path) if path.stat().st_size else Baseline()
    except UsageError as error:
        raise UsageError(f"{side}: {error}") from None


def _as_text(files: Sequence[Path]) -> int:
    """Merge as git does without a driver, and have somebody look at it."""
    base, ours, theirs = map(str, files)
    subprocess.run(["git", "merge-file", "--quiet", ours, base, theirs], check=False)
    return 1
