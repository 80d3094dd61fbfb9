"""Each regression planted in the example turns its test red, and is named first in the failure."""

import re
import shutil
import subprocess
import sys

import pytest
from folders import EXAMPLE

PLANTED = [
    ("refcounts", "test_recommendations", "max(product.price"),
    ("cache", "test_product_pages", "_pages[product.id] = page"),
    ("leak", "test_no_leak", "_seen.append("),
    ("gc", "test_report_after_freeze", "gc.collect()"),
    ("import", "test_checkout", "import asyncio"),
]


# Their budgets alone let the planted regression pass.
NEED_A_BASELINE = ("test_product_pages", "test_report_after_freeze")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A copy of the example, with a baseline of this machine for the tests that need one."""
    folder = tmp_path_factory.mktemp("example") / "shop"
    left_out = shutil.ignore_patterns("__pycache__", "instance", ".pytest_cache")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    for test in NEED_A_BASELINE:
        done = run(folder, test, "--cowmem-update=all")
        assert done.returncode == 0, done.stdout
    return folder


def run(folder, test, *options):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["--cowmem", "--cowmem-rounds=1", *options, f"tests/test_memory.py::{test}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_to_accept_all_once_more_changes_no_line(example, monkeypatch):
    baseline = example / "cowmem-baseline.json"
    before = baseline.read_text()
    (example / "a_file_more").touch()
    monkeypatch.setenv("A_VARIABLE_MORE", "x" * 1000)
    for test in NEED_A_BASELINE:
        done = run(example, test, "--cowmem-update=all")
        assert done.returncode == 0, done.stdout
    assert baseline.read_text() == before


@pytest.mark.parametrize(("regression", "test", "source"), PLANTED)
def test_a_planted_regression_is_named_first(example, monkeypatch, regression, test, source):
    monkeypatch.setenv("SHOP_REGRESSION", regression)
    done = run(example, test)
    assert done.returncode == 1, done.stdout
    explained = done.stdout.partition("\nwhere ")[2]
    lines = (example / "shop" / "planted.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if source in line)
    assert re.findall(r"\S+\.\w+:\d+", explained)[0] == f"shop/planted.py:{number}", done.stdout
