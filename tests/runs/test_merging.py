"""Two branches that both accept figures merge without a hand, with a real git."""

import subprocess

import pytest

pytestmark = pytest.mark.usefixtures("untraced")

APP = """
KEPT = []
COSTS = {
    "/one": 16,

    "/three": 16,

    "/two": 16,
}

def app(environ, start_response):
    start_response("200 OK", [])
    KEPT.append(bytearray(b"x" * 4096 * COSTS[environ["PATH_INFO"]]))
    return [b"kept"]
"""
TEST = """
def test_one(cow_worker):
    cow_worker.get("/one")

def test_three(cow_worker):
    cow_worker.get("/three")

def test_two(cow_worker):
    cow_worker.get("/two")
"""


@pytest.fixture
def git(pytester):
    """`git(*arguments)` runs git in the project, which is a repository of its own."""

    def run(*arguments):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=pytester.path, check=True, capture_output=True, text=True
        ).stdout

    run("init", "--quiet", "--initial-branch=main")
    return run


@pytest.fixture
def accept(pytester, git):
    """`accept(app)` writes the app, accepts its figures, and commits both."""
    pytester.makeini("[pytest]\ncowmem_app = shop:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(test_shop=TEST)

    def run(app):
        pytester.makepyfile(shop=app)
        options = ("--cowmem", "--cowmem-update", "-p", "no:cacheprovider")
        assert pytester.runpytest(*options).ret == 0
        git("add", "shop.py", "cowmem-baseline.json")
        git("commit", "--quiet", "--message", "Accept")

    return run


def test_two_branches_that_updated_merge(pytester, git, accept):
    accept(APP)
    first, second = ('"/one": 16', '"/one": 512'), ('"/two": 16', '"/two": 1024')
    for branch, change in (("first", first), ("second", second)):
        git("checkout", "--quiet", "-b", branch, "main")
        accept(APP.replace(*change))
    git("merge", "--message", "Merge", "first")
    merged = APP.replace(*first).replace(*second)
    pytester.makepyfile(shop=merged)
    result = pytester.runpytest("--cowmem", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)
    rows = [line for line in result.outlines if line.startswith("test_shop::")]
    assert all(line.endswith(" ok") for line in rows), rows
