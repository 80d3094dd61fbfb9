"""Each regression planted in the example turns its test red, and is named first in the failure."""

import re
import shutil
import subprocess
import sys

import pytest
from folders import EXAMPLE

# Their budgets alone let the planted regression pass.
NEED_A_BASELINE = [
    ("cache", "test_few_product_pages", "_pages[product.id] = page"),
    ("gc", "test_one_report_after_freeze", "gc.collect()"),
]
NEED_NONE = [
    ("refcounts", "test_one_recommendation", "max(product.price"),
    ("leak", "test_no_leak_in_few", "_seen.append("),
    ("import", "test_checkout", "import asyncio"),
    ("gc", "test_one_report", "gc.collect()"),
]
# A traced round of the example's own, which make many requests, takes up to ten times as long. One
# report takes 7 to 8 MiB on any of the Pythons, and 19 to 23 MiB with the planted collection.
SHORT = """

@pytest.mark.mem_budget(private="12 MiB")
def test_one_report(cow_worker):
    cow_worker.get("/report")

@pytest.mark.cow_app(gc="freeze")
def test_one_report_after_freeze(cow_worker):
    cow_worker.get("/report")

def test_few_product_pages(cow_worker):
    for number in range(100, 50_000, 2000):
        cow_worker.get(f"/products/{number}")

@pytest.mark.mem_budget(private="5 MiB")
def test_one_recommendation(cow_worker):
    cow_worker.get("/products/10/recommendations")

@pytest.mark.mem_budget(growth="256 B")
def test_no_leak_in_few(cow_worker):
    cow_worker.burst("GET", "/products/4711", times=200)
"""


def copy(folder):
    """A copy of the example, with tests more that make few requests."""
    left_out = shutil.ignore_patterns("__pycache__", "instance", ".pytest_cache")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    with (folder / "tests" / "test_memory.py").open("a") as file:
        file.write(SHORT)
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A copy of the example."""
    return copy(tmp_path_factory.mktemp("example") / "shop")


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """A copy with a baseline of two tests, of this machine and this folder."""
    folder = copy(tmp_path_factory.mktemp("accepted") / "shop")
    (folder / "cowmem-baseline.json").unlink()
    accept(folder)
    return folder


def run(folder, tests, *options):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["--cowmem", *options]
    command += [f"tests/test_memory.py::{test}" for test in tests]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def named_first(folder, test, source):
    """Check that a planted regression turns its test red, and is named first."""
    done = run(folder, [test], "--cowmem-rounds=1")
    assert done.returncode == 1, done.stdout
    _, explained = re.split(r"\n(?:where |by module, since )", done.stdout, maxsplit=1)
    lines = (folder / "shop" / "planted.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if source in line)
    assert re.findall(r"\S+\.\w+:\d+", explained)[0] == f"shop/planted.py:{number}", done.stdout


@pytest.mark.parametrize(("regression", "test", "source"), NEED_NONE)
def test_what_is_over_budget_is_named_first(example, monkeypatch, regression, test, source):
    monkeypatch.setenv("SHOP_REGRESSION", regression)
    named_first(example, test, source)


@pytest.mark.any_python
@pytest.mark.parametrize(("regression", "test", "source"), NEED_A_BASELINE)
def test_what_regressed_is_named_first(accepted, monkeypatch, regression, test, source):
    monkeypatch.setenv("SHOP_REGRESSION", regression)
    named_first(accepted, test, source)


@pytest.mark.any_python
def test_to_accept_all_changes_no_line(accepted, monkeypatch):
    written = baseline(accepted)
    (accepted / "a_file_more").touch()
    monkeypatch.setenv("A_VARIABLE_MORE", "x" * 1000)
    accept(accepted)
    assert baseline(accepted) == written


def accept(folder):
    """Accept what the tests use that need a baseline."""
    tests = [test for _, test, _ in NEED_A_BASELINE]
    done = run(folder, tests, "--cowmem-update=all", "--cowmem-rounds=1")
    assert done.returncode == 0, done.stdout


def baseline(folder):
    return (folder / "cowmem-baseline.json").read_text().splitlines()
