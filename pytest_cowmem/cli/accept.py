"""`cowmem accept`: take a run's report into the baseline. Runs in a process of its own."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from pytest_cowmem.files import baseline, report
from pytest_cowmem.judge.accept import accept, picked, too_noisy
from pytest_cowmem.judge.update import MODES, merged
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.report.view import view

HELP = "take what a run measured into the baseline, with nothing measured again"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("report", type=Path, metavar="RUN.json", help="what --cowmem-report wrote")
    tests = "the tests, files or folders to accept, as the report names them (default: all)"
    parser.add_argument("tests", nargs="*", metavar="TEST", help=tests)
    mode = "as of --cowmem-update: changed (the default), new, tighten or all"
    parser.add_argument("--mode", choices=MODES, default="changed", help=mode)
    where = "the baseline (default: the one that the report names, in the present folder)"
    parser.add_argument("--baseline", type=Path, metavar="PATH", help=where)


def run(options: argparse.Namespace) -> int:
    """Rewrite the baseline, and print what changed in it; returns 1 where that cannot be."""
    try:
        _accept(options, report.load(options.report))
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return 1
    return 0


def _accept(options: argparse.Namespace, document: Document) -> None:
    path = options.baseline or Path(Path(document.baseline).name)
    if document.profiles and not path.exists():
        raise UsageError(
            f"there is no baseline {path}: go to its folder, or name it with --baseline"
        )
    old = baseline.load(path)
    records = picked(document, options.tests)
    new, changes = accept(document, records, old, options.mode, named=bool(options.tests))
    if changes:
        baseline.rewrite(path, lambda found: merged(found, new, changes))
    for sentence in view(replace(document, changes=tuple(changes))).changes:
        print(f"baseline: {sentence}")
    for test in too_noisy(old, records) if options.mode != "all" else ():
        print(f"not accepted: {test} is noisy; measure it again, or use --mode all")
    if not changes:
        print(f"nothing of {options.report} differs from {path}")
