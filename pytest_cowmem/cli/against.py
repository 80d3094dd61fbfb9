"""`cowmem against`: the tests as they are, with the code of a commit and with the present one.

Runs in a process of its own, and pytest in others.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from pytest_cowmem.cli.old_code import first_on_path, import_folders, refuse_others
from pytest_cowmem.cli.present_tests import put
from pytest_cowmem.host.git import Worktree, commit, worktree
from pytest_cowmem.host.origins import origins
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.document_text import loads
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.made_of import MadeOf
from pytest_cowmem.model.typed import typed

HELP = "hold the present code to what the same tests measure with a commit's"

_INTERRUPTED, _USAGE_ERROR = 2, 4  # of pytest's exit codes
_MOST_FAILURES = 10
_SECONDS_TO_END = 30.0
_NOT_THERE = (
    "a checkout of a commit has what git tracks alone: nothing that is built, generated or "
    "ignored, no submodules, and pointers where git-lfs is not installed"
)
# The first run makes a baseline: it explains nothing, tries nothing, and is written into no report.
_IDLE = ("explain", "prove", "what-if")
# What is new or better fails where a baseline is to be updated, and there is none to be.
_UPDATERS = ("strict", "ratchet")


class _FailedError(Exception):
    """A run of pytest came to nothing: what it printed, and the exit code for that."""

    def __init__(self, output: str, code: int) -> None:
        super().__init__(output)
        self.code = code


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("ref", metavar="REF", help="the commit: a branch, a tag or a hash")
    rest = "as for pytest: which tests to measure, and options such as --cowmem-report"
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help=rest)


def run(options: argparse.Namespace) -> int:
    """Measure twice; returns pytest's exit code, and 4 where there is nothing to compare."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: it cleans up
    try:
        return _compare(options.ref, options.arguments)
    except UsageError as error:
        print(f"cowmem: {error}", file=sys.stderr)
        return _USAGE_ERROR
    except _FailedError as failed:
        print(failed, file=sys.stderr)
        return failed.code
    except KeyboardInterrupt:
        return _INTERRUPTED


def _compare(ref: str, arguments: Sequence[str]) -> int:
    """Measure the commit's code into a baseline that is gone after it, and hold the present to it.

    The present folder's own baseline is neither read nor written.
    """
    _refuse(arguments)
    base = commit(ref)
    with TemporaryDirectory(prefix="pytest-cowmem-") as temporary:
        baseline = Path(temporary, base.text)  # reports call the baseline by its file's name
        with worktree(base.id) as there:
            _say(f"measuring {ref} ({base.text}) ...")
            record = ["--cowmem", "--cowmem-update=all", f"--cowmem-baseline={baseline}"]
            options = [*_off((*_IDLE, *_UPDATERS)), *_alone(arguments), *record]
            environ = _measure(ref, options, there, baseline)
        _say("measuring the present code ...")
        gate = ["--cowmem", f"--cowmem-baseline={baseline}", "--cowmem-against", ref, base.id]
        return _python(["pytest", *_off(_UPDATERS), *arguments, *gate], Path.cwd(), environ)


def _refuse(arguments: Iterable[str]) -> None:
    """UsageError for an option that has no meaning here."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in ("--cowmem-update", "--cowmem-baseline"):
            raise UsageError(f"cowmem against has a baseline of its own: leave out {name}")


def _made_of(arguments: Sequence[str]) -> MadeOf:
    """What the present tests are made of. _FailedError where they cannot be collected."""
    with TemporaryDirectory(prefix="pytest-cowmem-") as temporary:
        file = Path(temporary, "made_of.json")
        module = ["pytest_cowmem.run.made_of", str(file)]
        code, output = _quietly([*module, *arguments], Path.cwd(), os.environ)
        if code not in (0, 1):  # 1 where the arguments say to go on after an error of collection
            raise _FailedError(output, code)
        made_of: MadeOf = typed(MadeOf, json.loads(file.read_text(encoding="utf-8")))
    return made_of


def _measure(
    ref: str, arguments: Sequence[str], there: Worktree, baseline: Path
) -> Mapping[str, str]:
    """Measure the commit's code into the baseline; the environment that the present one is to have.

    UsageError or _FailedError where nothing could be compared.
    """
    made_of = _made_of(arguments)
    if not Path(made_of.root).is_relative_to(there.root):
        raise UsageError(
            f"pytest's root folder {made_of.root} is not in the checkout {there.root}: "
            "give one that is with --rootdir"
        )
    path = [made_of.root, *made_of.pythonpath]
    modules = {_module(target) for target in made_of.targets}
    here = origins(modules, Path(made_of.root), path, os.environ)
    put(made_of, here.values(), there)
    folders = import_folders(here, there)
    environ = os.environ | first_on_path(map(there.moved, folders))
    root, *path = [str(there.moved(Path(folder))) for folder in path]

    def check(modules: Iterable[str], added: Sequence[str] = ()) -> None:
        found = origins(modules, Path(root), [root, *path, *added], environ)
        refuse_others(ref, found, there)

    check(modules)
    config = there.moved(Path(made_of.config)) if made_of.config else Path(os.devnull)
    own = [argument.replace(f"{there.root}/", f"{there.tree}/") for argument in arguments]
    report = baseline.with_name("report.json")
    # A new test may import what is new.
    options = ["--rootdir", root, "-c", str(config), "--continue-on-collection-errors", *own]
    options.append(f"--cowmem-report={report}")
    code, output = _quietly(["pytest", *options], there.moved(Path.cwd()), environ)
    if code not in (0, 1) or not baseline.exists():
        said = f"{output}\ncowmem: nothing was measured with the code of {ref}: {_NOT_THERE}"
        raise _FailedError(said, max(code, _USAGE_ERROR))
    document = loads(report.read_text(encoding="utf-8"))
    for target, added in {(it.target, it.options.get("pythonpath")) for it in document.records}:
        check([_module(target)], added.split(":") if added else ())
    _tell_failures(ref, document)
    return os.environ | first_on_path(folders)


def _module(target: str) -> str:
    return target.partition(":")[0]


def _alone(arguments: Sequence[str]) -> list[str]:
    """The arguments without those of what the first run does not do."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in _IDLE:
        parser.add_argument(f"--cowmem-{name}", action="store_true")
    parser.add_argument("--cowmem-report", action="append")
    return parser.parse_known_args(arguments)[1]


def _off(names: Iterable[str]) -> list[str]:
    """The arguments that turn settings of the ini file off."""
    settings = [f"cowmem_{name.replace('-', '_')}" for name in names]
    return [f"--override-ini={setting}=false" for setting in settings]


def _quietly(words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a module, and what it printed."""
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        code = _python(words, folder, environ, stdin=DEVNULL, stdout=output, stderr=STDOUT)
        output.seek(0)
        return code, output.read()


def _python(words: Sequence[str], folder: Path, environ: Mapping[str, str], **streams: Any) -> int:
    """The exit code of a module. It hears of Ctrl-C from here, and so once."""
    command = [sys.executable, "-P", "-m", *words]
    process: Popen[bytes]
    with Popen(command, cwd=folder, env=environ, start_new_session=True, **streams) as process:
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: "Popen[bytes]") -> None:
    """Let pytest end what it started, as on Ctrl-C."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_END)
    except BaseException:
        process.kill()
        raise


def _tell_failures(ref: str, document: Document) -> None:
    """Say once which tests have no figure of the commit."""
    failures = [f"{file} could not be collected" for file in document.broken]
    failures += [f"{failure.test} failed: {failure.reason}" for failure in document.failures]
    for failure in failures[:_MOST_FAILURES]:
        _say(f"with the code of {ref}, {failure}")
    if (more := len(failures) - _MOST_FAILURES) > 0:
        _say(f"so did {more} more")


def _say(sentence: str) -> None:
    print(f"cowmem: {sentence}", file=sys.stderr, flush=True)
