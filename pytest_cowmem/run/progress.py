"""What a test is at, in a terminal, while pytest's dots stand still. Runs in the pytest process.

It stands behind the dots, and is gone before the next one. It is told by backspaces alone, which
any terminal has. What is no terminal gets nothing: no file, no CI, and no worker of pytest-xdist.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from _pytest.terminal import TerminalReporter

from pytest_cowmem.run.settings import in_ci


class Progress:
    """The one line of a run, which belongs to the test that runs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._test = ""
        self._shown = 0  # columns

    @contextmanager
    def of(self, test: str) -> Iterator[None]:
        """Tell of a test while it is measured, and then leave no trace. `test` is its id."""
        self._test = test.rpartition("::")[2]
        try:
            yield
        finally:
            self.say("")

    def say(self, what: str) -> None:
        """Show what the test is at, in place of what it was at before, as far as there is room."""
        reporter = self._reporter()
        if reporter is None:
            return
        with _uncaptured(self._config):
            room = reporter._tw.fullwidth - reporter._tw.width_of_current_line - 2
            texts = [f" {text}" for text in self._texts(what, reporter) if len(text) <= room]
            text = texts[0] if texts and what else ""
            text = text.encode("ascii", "replace").decode()  # a terminal may have no other letters
            old, self._shown = self._shown, len(text)
            blank = max(0, old - len(text))
            back = "\b" * (len(text) + blank)
            terminal = reporter._tw._file  # pytest 8.0 has no write_raw()
            terminal.write(text + " " * blank + back)
            terminal.flush()

    def _texts(self, what: str, reporter: TerminalReporter) -> tuple[str, ...]:
        """What can be said, the most first; the test is named where its line does not."""
        return (what,) if reporter.showlongtestinfo else (f"{self._test}: {what}", what)

    def _reporter(self) -> TerminalReporter | None:
        """The reporter whose line is free; None where nothing is to be shown."""
        config = self._config
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if type(reporter) is not TerminalReporter or not reporter.isatty:
            return None
        others = config.getoption("capture", "no") == "no" or config.getoption("setupshow")
        logs = config.getini("log_cli") or config.getoption("log_cli_level", None) is not None
        if others or logs or reporter.verbosity < 0 or in_ci(os.environ):
            return None
        return reporter


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Write to the terminal while a test's own output is captured."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    assert manager is not None  # nothing is said without --capture
    with manager.global_and_fixture_disabled():
        yield
