"""`cowmem imports`: what each import cost a master. Runs in a process of its own.

The import runs in another, which loads nothing of this package's but zygote/importing.py.
"""

import argparse
import json
import marshal
import os
import py_compile
import subprocess
import sys
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tabulate import tabulate

from pytest_cowmem.cli.amounts import size
from pytest_cowmem.host.git import worktree
from pytest_cowmem.host.waiting import ended
from pytest_cowmem.model.app import parse_target
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.imports import Import
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.zygote import importing

HELP = "what each import costs a master, in bytes that no file backs"

_LEAST = 2**18
_MEND = "name a commit, or a file that --json wrote"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("target", metavar="MODULE[:ATTR]", help="what a master imports")
    least = "leave out what costs less (default: 256 KiB)"
    parser.add_argument("--least", type=size, metavar="SIZE", default=_LEAST, help=least)
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--json", action="store_true", help="all of it as JSON")
    against = "show what grew since a git commit, or since a file that --json wrote"
    one_of.add_argument("--against", metavar="REF-or-FILE", help=against)


def run(options: argparse.Namespace) -> int:
    """Print what imports cost; returns 1 where that cannot be told, else 0."""
    try:
        old = before(options.against, options.target) if options.against else None
        _, now = measure(options.target, Path.cwd(), [os.getcwd()], f"in {Path.cwd()}")
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(_made_of(options.target) | now.as_json(), indent=1))
    else:
        print(_grown(old, now, options.least) if old else _tree(now, options.least))
    return 0


def _made_of(target: str) -> dict[str, str]:
    """What two trees are to have in common, to be compared."""
    return {"target": target, "python": "{}.{}".format(*sys.version_info)}


def measure(target: str, folder: Path, path: Sequence[str], where: str) -> tuple[str, Import]:
    """Import a module in a process that runs in a folder, with `path` first on its `sys.path`.

    It is done twice, since the first may compile. Returns the module's file, and what the second
    import cost, whose output goes to stderr. UsageError where it does not come to its end, `where`.
    """
    parse_target(target)
    module, _, expression = target.partition(":")
    asked = [module, expression, *path]
    nothing = subprocess.DEVNULL
    with TemporaryDirectory(prefix="pytest-cowmem-") as temporary:
        # Compiled there, it would leave free memory for the first imports to take.
        compiled = py_compile.compile(importing.__file__, f"{temporary}/importing.pyc")
        command = [sys.executable, "-P", "-u", str(compiled)]
        first = [*command, "", *asked]
        subprocess.run(first, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing)
        told = _noted(command, asked, folder)
    if isinstance(told, str):
        raise UsageError(f"python {told} while it imported {target} {where}: mend what it printed")
    file, tree = told
    return file, _import(*tree)


def _noted(command: Sequence[str], asked: Sequence[str], folder: Path) -> Any:
    """What importing.py writes, or how it ended before that."""
    ours, theirs = os.pipe()
    command = [*command, str(theirs), *asked]
    nothing, stderr = subprocess.DEVNULL, 2
    with (
        os.fdopen(ours, "rb") as told,
        subprocess.Popen(
            command, cwd=folder, stdin=nothing, stdout=stderr, pass_fds=[theirs]
        ) as process,
    ):
        os.close(theirs)
        try:
            return marshal.load(told)
        except EOFError:
            return ended(process.wait())


def _import(module: str, amount: int, within: Sequence[Any]) -> Import:
    return Import(module, amount, tuple(_import(*one) for one in within))


def before(against: str, target: str) -> Import:
    """What imports cost before: as a file has it, or as they do at a commit."""
    file = Path(against)
    if not file.is_file():
        return _at_commit(against, target)
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        found = Import.from_json(told)
        made_of = {name: told[name] for name in _made_of(target)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"{against} is none of cowmem's ({type(error).__name__}): make one with --json"
        ) from None
    if made_of != _made_of(target):
        raise UsageError(
            f"{against} is of {made_of['target']} on Python {made_of['python']}: "
            "compare what is alike, or make it anew with --json"
        )
    return found


def _at_commit(ref: str, target: str) -> Import:
    """What imports cost at a commit. UsageError where the module does not come from there."""
    with worktree(ref, _MEND) as there:
        folder = there.moved(Path.cwd())
        moved = [there.moved(Path(entry)) for entry in sys.path if there.has(Path(entry))]
        path = [str(folder), *map(str, moved)]
        file, found = measure(target, folder, path, f"at {ref}")
        if not Path(file).resolve().is_relative_to(there.tree):
            raise UsageError(
                f"{target} is imported from {file or 'the interpreter'}, and not from git: "
                "compare with a file that --json wrote"
            )
    return found


def _tree(top: Import, least: int) -> str:
    """A row for each import that cost enough, most expensive first, indented by what it is in."""
    rows = [
        (_indented(one, depth), *_amounts(one.bytes, one.own))
        for depth, one in top.walk(attrgetter("bytes"))
        if one.most >= least or not depth
    ]
    return _table(("module", "with imports", "itself"), rows)


def _grown(old: Import, new: Import, least: int) -> str:
    """A row for each import that changed enough, the largest growth first; then those that left."""
    was, itself_was = old.by_module()
    is_now, itself_is = new.by_module()

    def change(one: Import) -> int:
        return is_now[one.module] - was[one.module]

    left = [(depth, one) for depth, one in old.walk(change) if one.module not in is_now]
    rows = [
        (
            _indented(one, depth),
            *_amounts(was[one.module], is_now[one.module]),
            render_change(change(one), "bytes"),
            render_change(itself_is[one.module] - itself_was[one.module], "bytes"),
        )
        for depth, one in [*new.walk(change), *left]
        if abs(change(one)) >= least or not depth
    ]
    return _table(("module", "before", "now", "change", "itself"), rows)


def _indented(one: Import, depth: int) -> str:
    return "  " * max(0, depth - 1) + (one.module or "all")


def _amounts(*amounts: int) -> list[str]:
    return [render(amount, "bytes") for amount in amounts]


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    sides = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        rows, headers=headers, colalign=sides, disable_numparse=True, preserve_whitespace=True
    )
