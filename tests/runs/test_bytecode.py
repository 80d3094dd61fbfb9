"""Whether byte code can be written beside the source moves no figure, and is said."""

import os
import shutil

import pytest
from folders import APPS

TEST = """
def test_feed(cow_worker):
    assert cow_worker.call("flask_shop:refused") == REFUSED
    assert cow_worker.get("/list").status_code
"""
SEEN = """

def refused():
    import os
    import shlex
    import sys

    name = "PYTHONDONTWRITEBYTECODE"
    here = os.environ.get(name)
    child = f"import os, sys; sys.exit(os.environ.get({name!r}) != {here!r})"
    # No pipe: how often one is read, and into how large buffers, is a matter of time.
    assert os.system(shlex.join([sys.executable, "-c", child])) == 0
    return here
"""
NOTE = "byte code could not be written beside the source"


@pytest.fixture
def shop(pytester, monkeypatch):
    """`shop(refused, *args)` runs a project, whose byte code may not be written where `refused`."""
    pytester.makeini("[pytest]\ncowmem_app = flask_shop:app\npythonpath = .\n")
    source = (APPS / "flask_shop.py").read_text()
    (pytester.path / "flask_shop.py").write_text(source + SEEN)

    def run(refused, *args):
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        if refused:
            monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", refused)
        shutil.rmtree(pytester.path / "__pycache__", ignore_errors=True)
        pytester.makepyfile(test_shop=TEST.replace("REFUSED", repr(refused)))
        return pytester.runpytest_subprocess("--cowmem", "-p", "no:cacheprovider", *args)

    return run


def test_without_byte_code_a_run_is_green_and_says_so(shop, pytester):
    recorded = shop(None, "--cowmem-update")
    recorded.assert_outcomes(passed=1)
    recorded.stdout.no_fnmatch_line(f"*{NOTE}*")
    assert list((pytester.path / "__pycache__").glob("flask_shop.*"))
    without = shop("1")
    without.assert_outcomes(passed=1)
    without.stdout.fnmatch_lines([f"*{NOTE}*"])
    without.stdout.fnmatch_lines(["test_shop::test_feed *ok"])
    assert not list((pytester.path / "__pycache__").glob("flask_shop.*"))


def test_nothing_of_it_is_left_behind(shop, pytester, monkeypatch):
    folder = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    shop("1").assert_outcomes(passed=1)
    assert os.listdir(folder) == []
