"""Which entries of the baseline have no test any more. Runs in the pytest process.

A run knows that a test is gone where it collected all of the file, and the file's code does not
name the test, or where the file is nowhere. It cannot see what a conftest or another plugin leaves
out before pytest makes an item of it, nor the tests of a run from another root folder.
"""

import os
import tokenize
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.session import Session

Gone = list[tuple[str, str]]  # (profile, test)


def find(
    session: Session, collected: Collected, profiles: Collection[str], idle: Collection[str]
) -> Gone:
    """The entries of these profiles whose test is gone.

    `idle` names the tests that passed and asked for no worker. A baseline outside the root folder
    may serve other roots, and so has none.
    """
    settings, recorded = session.settings, session.baseline.profiles
    rootdir = settings.rootdir.resolve()
    if not settings.baseline.parent.resolve().is_relative_to(rootdir):
        return []
    search = _Search(rootdir, collected, idle)
    return [
        (profile, test)
        for profile in sorted({*profiles} & {*recorded})
        for test in sorted(recorded[profile].tests)
        if search.is_gone(test)
    ]


class _Search:
    """Whether tests are gone, by their ids; `rootdir` is the folder these are relative to."""

    def __init__(self, rootdir: Path, collected: Collected, idle: Collection[str]) -> None:
        self.rootdir = rootdir
        self.collected = collected
        self.idle = idle
        self._tokens: dict[Path, frozenset[str] | None] = {}

    def is_gone(self, test: str) -> bool:
        """Whether there is no such test, or it measures nothing any more."""
        function = test.partition("[")[0]
        file, _, name = function.partition("::")
        path = self.rootdir / file
        tests = self.collected.files.get(file, ())
        if test in tests:
            return test in self.idle and test not in self.collected.measured
        if path.exists() and file not in self.collected.whole:
            return False
        others = list(self._elsewhere(path, file))
        # Where other parameters of the test are left, the file has its name.
        if not any(other.partition("[")[0] == function for other in tests):
            others.append(path)
        return not any(self._has(other, name) for other in others)

    def _elsewhere(self, path: Path, file: str) -> Iterator[Path]:
        """The files that an id would mean if it was relative to another root, above or below."""
        for folder in self.rootdir.parents:
            yield folder / file
        parts = Path(file).parts
        for other in self._modules.get(path.name, ()):
            if other != path and other.parts[-len(parts) :] == parts:
                yield other

    @cached_property
    def _modules(self) -> dict[str, list[Path]]:
        """The Python files below the root, by name."""
        found: dict[str, list[Path]] = {}
        for folder, folders, files in os.walk(self.rootdir):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if name.endswith(".py"):
                    found.setdefault(name, []).append(Path(folder, name))
        return found

    def _has(self, path: Path, name: str) -> bool:
        """Whether a file is there, and its code has every part of a test's name."""
        if path not in self._tokens:
            self._tokens[path] = _tokens(path)
        tokens = self._tokens[path]
        return tokens is None or tokens.issuperset(name.split("::"))


def _tokens(path: Path) -> frozenset[str] | None:
    """The words of a file's code: none where there is no file, None where it is not Python."""
    try:
        with tokenize.open(path) as lines:
            return frozenset(token.string for token in tokenize.generate_tokens(lines.readline))
    except OSError:
        return frozenset()
    except (SyntaxError, tokenize.TokenError):
        return None
