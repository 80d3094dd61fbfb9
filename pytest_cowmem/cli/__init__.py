"""The `cowmem` command: a table of subcommands, one module each. Runs in a process of its own."""

import argparse
from collections.abc import Callable, Sequence

from pytest_cowmem.cli import doctor

# name: (help text, what to run with the parsed arguments; it returns the exit code)
COMMANDS: dict[str, tuple[str, Callable[[argparse.Namespace], int]]] = {
    "doctor": (
        "what this machine gives for measuring; exit code 1 when it is impossible",
        doctor.run,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="cowmem", description="gate the private memory of preforked Python programs"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, run) in COMMANDS.items():
        commands.add_parser(name, help=text).set_defaults(run=run)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code
