"""The `cowmem` command. Runs in a process of its own."""

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit code."""
    parser = argparse.ArgumentParser(
        prog="cowmem", description="gate the private memory of preforked Python programs"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "doctor", help="what this machine gives for measuring; exit code 1 when it is impossible"
    )
    parser.parse_args(arguments)

    from pytest_cowmem.cli.doctor import examine, report

    text, code = report(examine())
    print(text)
    return code
