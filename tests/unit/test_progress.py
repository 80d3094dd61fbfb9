"""What a terminal shows of long work, on pytest's own reporter with a made-up terminal."""

import io

import pytest
from _pytest.terminal import TerminalReporter
from screens import screen

from pytest_cowmem.run.progress import Progress

TEST = "tests/test_memory.py::test_feed[1]"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(pytester, monkeypatch):
    """`shown(file, before, *options)` has a reporter write `before`, and gives its `say`."""
    monkeypatch.setenv("COLUMNS", "80")

    def reporting(file, before, *options):
        config = pytester.parseconfig("--capture=sys", *options)
        config.pluginmanager.register(TerminalReporter(config, file), "terminalreporter")
        config.pluginmanager.get_plugin("terminalreporter").write(before)
        return Progress(config)

    return reporting


def test_it_stands_behind_the_dots_and_each_text_takes_the_place_of_the_last(shown):
    file = Terminal()
    progress = shown(file, "tests/test_memory.py ..")
    with progress.of(TEST):
        progress.say("layout 2 of at most 5")
        assert screen(file) == "tests/test_memory.py .. test_feed[1]: layout 2 of at most 5"
        progress.say("finding out why")
        assert screen(file) == "tests/test_memory.py .. test_feed[1]: finding out why"
    assert screen(file) == "tests/test_memory.py .."
    file.write(".")
    assert screen(file) == "tests/test_memory.py ..."


@pytest.mark.parametrize(
    ("dots", "text"), [(50, " finding out why"), (65, "")], ids=["no name", "nothing"]
)
def test_it_takes_no_more_than_what_is_left_of_the_line(shown, dots, text):
    file = Terminal()
    progress = shown(file, "." * dots)
    with progress.of(TEST):
        progress.say("finding out why")
        assert screen(file) == "." * dots + text
    assert screen(file) == "." * dots


def test_a_line_that_names_the_test_does_so_once(shown):
    file = Terminal()
    progress = shown(file, f"{TEST} ", "-v")
    with progress.of(TEST):
        progress.say("finding out why")
        assert screen(file) == f"{TEST}  finding out why"


@pytest.mark.parametrize(
    "options", [("-q",), ("--capture=no",), ("--log-cli-level=INFO",)], ids=str
)
def test_nothing_is_said_where_the_line_is_not_free(shown, options):
    file = Terminal()
    with (progress := shown(file, "..", *options)).of(TEST):
        progress.say("finding out why")
    assert file.getvalue() == ".."


def test_nothing_is_said_to_a_file_or_in_ci(shown, monkeypatch):
    file = io.StringIO()
    with (progress := shown(file, "..")).of(TEST):
        progress.say("finding out why")
    assert file.getvalue() == ".."
    monkeypatch.setenv("CI", "true")
    file = Terminal()
    with (progress := shown(file, "..")).of(TEST):
        progress.say("finding out why")
    assert file.getvalue() == ".."
