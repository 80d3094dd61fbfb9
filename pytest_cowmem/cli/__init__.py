"""The `cowmem` command: a table of subcommands, one module each. Runs in a process of its own."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from pytest_cowmem.cli import (
    accept,
    against,
    compare,
    doctor,
    history,
    imports,
    live,
    merge,
    report,
)

# Each module has HELP, `arguments`, which says what it takes, and `run`, which takes that parsed
# and returns the exit code.
COMMANDS = {
    "accept": accept,
    "against": against,
    "compare": compare,
    "doctor": doctor,
    "history": history,
    "imports": imports,
    "live": live,
    "merge": merge,
    "report": report,
}

_TROUBLE = 2  # as where an argument is wrong
_OF_WRITING = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit code."""
    description = "gate the private memory of preforked Python programs"
    parser = argparse.ArgumentParser(prog="cowmem", description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP)
        module.arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    if sys.stdout is None:  # the caller closed it
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OF_WRITING:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left, at exit
        if error.errno == errno.EPIPE:  # whoever reads has enough
            return 1
        print(
            f"cowmem: the output cannot be written ({error.strerror}): make room", file=sys.stderr
        )
        return _TROUBLE
    return code
