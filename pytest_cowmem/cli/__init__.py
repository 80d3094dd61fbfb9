"""The `cowmem` command: a table of subcommands, one module each. Runs in a process of its own."""

import argparse
from collections.abc import Sequence

from pytest_cowmem.cli import doctor

# Each module has HELP, and `run`, which takes the parsed arguments and returns the exit code.
COMMANDS = {"doctor": doctor}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit code."""
    description = "gate the private memory of preforked Python programs"
    parser = argparse.ArgumentParser(prog="cowmem", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        commands.add_parser(name, help=module.HELP).set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code
