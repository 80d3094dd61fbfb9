"""`cowmem compare`: two runs or baselines beside each other. Runs in a process of its own."""

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shutil import get_terminal_size

from pytest_cowmem.cli.reading import read
from pytest_cowmem.judge.compare import compare
from pytest_cowmem.judge.known import Tests, of_baseline, of_document
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.report.comparison import WIDE, as_data, as_markdown, as_text

HELP = "two reports or baselines beside each other; exit code 1 where a test is red"

_TROUBLE = 2  # as of diff


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("old", type=Path, metavar="OLD", help="a JSON report or a baseline")
    parser.add_argument("new", type=Path, metavar="NEW", help="the same, to be judged by OLD")
    parser.add_argument("--all", action="store_true", help="show tests that did not change, too")
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--md", action="store_true", help="print Markdown")
    one_of.add_argument("--json", action="store_true", help="print all of it as JSON")


def run(options: argparse.Namespace) -> int:
    """Print what differs; returns 1 where a test is red, 2 where nothing can be compared."""
    try:
        old, new = read(options.old), read(options.new)
        found = compare(_tests(old), _tests(new), partial(_is_kept, new))
        if not {*_tests(old)} & {*_tests(new)}:
            raise UsageError(_nothing(options, old, new))
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return _TROUBLE
    if options.json:
        print(json.dumps(as_data(found), indent=1))
    elif options.md:
        print(as_markdown(found, unchanged=options.all))
    else:
        width = get_terminal_size().columns if sys.stdout.isatty() else WIDE
        print(as_text(found, unchanged=options.all, width=width))
    for failure in new.failures if isinstance(new, Document) else ():
        print(f"cowmem: {failure.test} failed, and was not measured", file=sys.stderr)
    return int(found.failed)


def _tests(side: Document | Baseline) -> Mapping[str, Tests]:
    return of_document(side) if isinstance(side, Document) else of_baseline(side)


def _is_kept(side: Document | Baseline, test: str) -> bool:
    """Whether a test may be there that a side has no figures of: a run may be of some tests."""
    if isinstance(side, Baseline):
        return False
    of_some = side.invocation.of_some or not side.complete
    failed = any(failure.test == test for failure in side.failures)
    return failed or (of_some and test not in side.stale)


def _nothing(options: argparse.Namespace, *sides: Document | Baseline) -> str:
    """Why two sides have nothing to compare."""
    said = []
    for path, side in zip((options.old, options.new), sides, strict=True):
        said.append(f"{path} has {', '.join(sorted(_tests(side))) or 'no measured test'}")
    return f"no profile is in both, {' and '.join(said)}: compare runs of one environment"
