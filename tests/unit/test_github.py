"""What GitHub Actions is told: lines that annotate, a summary, and no command of others."""

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from explained import red
from hostile_run import hostile_run
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.model.cause import Shared
from pytest_cowmem.model.document import Document
from pytest_cowmem.report.annotations import MOST, annotations
from pytest_cowmem.run.github import MOST_BYTES, defuse, defused, harmless, located, tell

RED = red("shop/tests/test_memory.py::test_feed", place="tests/test_memory.py:12")
VALUE = "(?:[^%:,]|%[0-9A-F]{2})*"
COMMAND = re.compile(f"::error file={VALUE},title={VALUE}::(?:[^%]|%[0-9A-F]{{2}})*")
ENVIRON = {"GITHUB_ACTIONS": "true"}


@pytest.fixture
def repository(tmp_path):
    """A repository with a project in a folder of it."""
    for path in ("tests/test_memory.py", "shop/hooks.py"):
        file = tmp_path / "project" / path
        file.parent.mkdir(parents=True)
        file.touch()
    return tmp_path


def told(repository, *records):
    document = Document(records=records)
    return annotations(document, lambda place: located(place, repository / "project", repository))


def test_the_test_and_the_line_to_blame_are_annotated(repository):
    first, second = told(repository, RED)
    assert first.startswith(
        "::error file=project/tests/test_memory.py,line=12,title=test_feed%3A regressed::"
        "private has regressed by 2.00 MiB: 7.00 MiB, baseline 5.00 MiB"
    )
    assert second == (
        "::error file=project/shop/hooks.py,line=9,title=private memory of test_feed::"
        "2.00 MiB by shop/hooks.py:9 (container shop.hooks.SEEN)"
    )


@pytest.mark.parametrize(
    "place",
    [
        "/etc/passwd:1",
        "../../../../etc/passwd:1",
        "flask/app.py:9",
        "(flask)",
        "tests:1",
        "\x00:1",
        "",
    ],
)
def test_what_is_no_file_of_the_repository_gets_no_line(repository, place):
    first, second = told(repository, replace(RED, place=place))
    assert first.startswith("::error title=test_feed%3A regressed::")
    assert "line=9" in second
    assert located("shop/hooks.py:9", repository / "project", repository / "elsewhere") == {}


def test_a_cause_that_tests_share_is_annotated_once(repository):
    alike = replace(RED, test="t.py::test_b", shared=Shared(RED.test, None), explanation=None)
    assert [line.count("hooks.py:9") for line in told(repository, RED, alike)] == [0, 1, 0]


def test_the_worst_come_first_and_no_more_than_are_shown(repository):
    many = [red(f"t.py::test_{number}", by=(number + 1) * 2**20) for number in range(20)]
    lines = told(repository, *many)
    assert len(lines) == MOST
    assert "title=test_19%3A" in lines[0]


@given(st.text(st.sampled_from(":,%\r\n #[]=error\x85\u2028\x1ba")))
def test_an_annotation_is_one_command_whatever_the_ids(text):
    run = hostile_run(f"x{text}")
    for line in annotations(run, lambda place: {"file": place}):
        assert len(line.splitlines()) == 1
        assert COMMAND.fullmatch(line)


def told_of_step(path):
    """The lines of a red run whose step has its summary there."""
    lines: list[str] = []
    environ = ENVIRON | {"GITHUB_STEP_SUMMARY": str(path)}
    tell(Document(records=(RED,)), lines.append, environ, path.parent)
    return lines


def test_the_summary_is_added_to_what_the_step_has(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    assert all(line.startswith("::error ") for line in told_of_step(path))
    assert path.read_text().startswith("before\n## Memory gate failed: 1 of 1 regressed")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(bytes(MOST_BYTES - 100))],
    ids=["a folder", "a FIFO, which would never end", "full"],
)
def test_a_summary_that_cannot_be_written_is_a_line(tmp_path, make):
    path = tmp_path / "summary.md"
    make(path)
    size = path.stat().st_size
    assert told_of_step(path)[0].startswith("the step's summary could not be written: ")
    assert path.stat().st_size == size


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("::error::a\n  ::debug::b", ": :error::a\n  : :debug::b"),
        ("t.py::test_a is new", "t.py::test_a is new"),
        ("a ##[error]b", "a # #[error]b"),
        ("\r\n::a\r::b", "\r\n: :a\r: :b"),
    ],
)
def test_a_failure_is_no_command(text, printed):
    assert defused(text, ENVIRON) == printed
    assert defused(text, {}) == text


@pytest.mark.parametrize("style", ["long", "value"])
def test_no_line_that_pytest_prints_of_a_test_is_a_command(style):
    command = "::error::a"
    failure = raised(f"over\n{command}\n##[error]b").getrepr(style=style)
    crash, sections = failure.reprcrash, [("Captured stdout call", f"{command}\n")]
    assert crash is not None
    message = crash.message
    report = pytest.TestReport("t", ("t.py", 1, "t"), {}, "failed", failure, "call", sections)
    defuse(report, {})
    assert (crash.message, report.sections) == (message, sections)
    defuse(report, ENVIRON)
    assert report.sections == [("Captured stdout call", f": {command[1:]}\n")]
    assert not re.search(r"^\s*::|##\[", f"{report.longreprtext}\n{crash.message}", re.MULTILINE)


def raised(text):
    try:
        pytest.fail(text)
    except pytest.fail.Exception as error:
        return pytest.ExceptionInfo.from_exception(error)


def test_elsewhere_nothing_is_said(tmp_path):
    lines: list[str] = []
    path = tmp_path / "summary.md"
    tell(Document(records=(RED,)), lines.append, {"GITHUB_STEP_SUMMARY": str(path)}, tmp_path)
    with harmless(lines.append, {}):
        lines.append("quiet")
    assert lines == ["quiet"]
    assert not path.exists()


def test_no_line_is_a_command_while_names_are_printed():
    lines: list[str] = []
    for _ in range(2):
        with suppress(OSError), harmless(lines.append, ENVIRON):
            lines.append("::error::from an app")
            raise OSError
    first, _, last, again, *_ = lines
    token = first.removeprefix("::stop-commands::")
    assert last == f"::{token}::"
    assert len(token) == 32
    assert again != first  # who reads a log learns no token that is yet to come
