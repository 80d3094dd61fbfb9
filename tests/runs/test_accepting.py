"""What a red run of CI says is to be copied accepts its failed tests, and no others."""

import shlex

import pytest

from pytest_cowmem.cli import main
from pytest_cowmem.files.baseline import load
from pytest_cowmem.model import document_text

pytestmark = pytest.mark.usefixtures("untraced")

APP = """
import os

KEPT = []

def app(environ, start_response):
    start_response("200 OK", [])
    pages = int(os.environ["PAGES"]) if "red" in environ["PATH_INFO"] else 16
    KEPT.append(bytearray(b"x" * 4096 * pages))
    return [b"kept"]
"""
TEST = """
import pytest

@pytest.mark.parametrize("name", ["red one", "green"])
def test_kept(cow_worker, name):
    assert cow_worker.get("/" + name).text == "kept"
"""
RED = ["test_shop.py::test_kept[red one]"]


@pytest.fixture
def shop(pytester, monkeypatch):
    """`shop(*args, pages=16)` runs the project's tests, of which one uses that many pages."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\ncowmem_app = shop:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(shop=APP, test_shop=TEST)

    def run(*args, pages=16):
        monkeypatch.setenv("PAGES", str(pages))
        return pytester.runpytest_inprocess("--cowmem", "-p", "no:cacheprovider", *args)

    return run


def command(result):
    """The words of the command that the summary says accepts, in one line."""
    end = ", then commit cowmem-baseline.json"
    (line,) = [one for one in result.outlines if one.endswith(end)]
    return shlex.split(line.removeprefix("to accept: ").removesuffix(end))


def test_a_report_of_ci_is_accepted_where_nothing_is_measured(shop, pytester, monkeypatch):
    shop("--cowmem-update")
    monkeypatch.setenv("CI", "true")
    red = shop("--cowmem-report", "run.json", pages=512)
    red.assert_outcomes(failed=1, passed=1)
    words = command(red)
    assert words == ["cowmem", "accept", "run.json", *RED]
    before = load(pytester.path / "cowmem-baseline.json")
    assert main(words[1:]) == 0
    after = load(pytester.path / "cowmem-baseline.json")
    (key,) = after.profiles
    changed = [
        test
        for test, it in after.profiles[key].tests.items()
        if it != before.profiles[key].tests[test]
    ]
    assert sorted(changed) == RED
    shop(pages=512).assert_outcomes(passed=2)


def test_a_baseline_made_of_a_report_has_the_references_figures(shop, pytester):
    shop("--cowmem-report", "run.json")
    path = pytester.path / "cowmem-baseline.json"
    path.write_text('{"format": 1, "profiles": {}}')
    assert main(["accept", "run.json"]) == 0
    (profile,) = load(path).profiles.values()
    assert profile.reference.keys() == {"private", "gc_full", "master"}
    shop("--cowmem-report", "next.json")
    assert document_text.loads((pytester.path / "next.json").read_text()).reference == {}
