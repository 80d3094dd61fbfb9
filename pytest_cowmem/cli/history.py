"""`cowmem history`: private bytes over the commits of a baseline. Runs in a process of its own."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

from pytest_cowmem.files.replace import replace_text
from pytest_cowmem.host.git import versions
from pytest_cowmem.judge.history import history
from pytest_cowmem.model.baseline_text import loads
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.history import History, Version
from pytest_cowmem.report.history import as_data, as_text

HELP = "what each test's private memory was over the commits of its baseline"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    revisions = "the commit to look back from, or a range as v1..v2 (default: HEAD)"
    parser.add_argument("revisions", nargs="?", default="HEAD", metavar="REVISION", help=revisions)
    parser.add_argument(
        "--baseline", type=Path, metavar="PATH", default="cowmem-baseline.json", help="the file"
    )
    test = "only tests whose id has this in it, or fits it as a file's pattern"
    parser.add_argument("--test", metavar="PATTERN", default="", help=test)
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--json", action="store_true", help="print all points as JSON")
    page = "write a page with a chart for each test"
    one_of.add_argument("-o", "--output", type=Path, metavar="PATH.html", help=page)


def run(options: argparse.Namespace) -> int:
    """Print or write the history; returns 1 where there is none, else 0."""
    try:
        found = _found(options)
        if options.output:
            _write(found, options.output)
        elif options.json:
            print(json.dumps(as_data(found), indent=1))
        else:
            print("\n".join(as_text(found)).rstrip())
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return 1
    return 0


def _found(options: argparse.Namespace) -> History:
    """The history that was asked for. UsageError where there is none."""
    found = history([*_readable(options.baseline, options.revisions)])
    if not found.changes:
        raise UsageError(
            f"git has no version of {options.baseline} at {options.revisions}: "
            "commit it, or name another file with --baseline"
        )
    series = [one for one in found.series if _fits(one.test, options.test)]
    if not series:
        raise UsageError(f"no test fits {options.test!r}: take a part of an id")
    return replace(found, series=tuple(series))


def _fits(test: str, pattern: str) -> bool:
    return pattern in test or fnmatch(test, pattern)


def _readable(baseline: Path, revisions: str) -> Iterator[Version]:
    """The versions that can be read; the others are told of, and skipped."""
    for change, text in versions(baseline, revisions):
        name = f"{baseline} at {change.short}"
        if text is None:
            continue
        try:
            yield Version(change, loads(text, name))
        except UsageError as error:
            cause = str(error).partition(":")[0]
            print(f"cowmem: left out: {cause}", file=sys.stderr)


def _write(found: History, path: Path) -> None:
    """Write the page. UsageError where it cannot be."""
    page = import_module("pytest_cowmem.report.history_page")  # which needs Jinja2
    try:
        replace_text(path, page.dumps(found))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}): give another place"
        ) from None
