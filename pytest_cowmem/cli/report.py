"""`cowmem report`: a JSON report in another format. Runs in a process of its own."""

import argparse
import sys
from pathlib import Path

from pytest_cowmem.files.report import check_writable, load, write
from pytest_cowmem.model.errors import UsageError

HELP = "write a run's JSON report in another format"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("report", type=Path, metavar="RUN.json", help="what --cowmem-report wrote")
    written = "the file to write, whose suffix says how; may be given again"
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", action="append", required=True, help=written
    )


def run(options: argparse.Namespace) -> int:
    """Write the run into the files; returns 1 where that cannot be, else 0."""
    try:
        for path in options.output:
            check_writable(path)
        document = load(options.report)
        for path in options.output:
            write(document, path)
            print(f"report: {path}")
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return 1
    return 0
