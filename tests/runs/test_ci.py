"""What is new is red in CI, and a renamed test is no new one."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("untraced")

APP = """
import os

KEPT = []

def app(environ, start_response):
    start_response("200 OK", [])
    KEPT.append(bytearray(b"x" * 4096 * int(os.environ["PAGES"])))
    return [b"kept"]
"""
TEST = """
import pytest

@pytest.mark.parametrize("name", ["one", "two"])
def test_kept(cow_worker, name):
    assert cow_worker.get("/" + name).text == "kept"
"""


@pytest.fixture
def shop(pytester, monkeypatch):
    """`shop(*args, pages=16, ci="true")` runs the project's two tests."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\ncowmem_app = shop:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(shop=APP, test_shop=TEST)

    def run(*args, pages=16, ci=""):
        monkeypatch.setenv("CI", ci)
        monkeypatch.setenv("PAGES", str(pages))
        return pytester.runpytest("--cowmem", "-p", "no:cacheprovider", *args)

    return run


def told(result):
    """What a run printed in one line, since sentences are wrapped to the terminal."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def recorded(pytester):
    data = json.loads((pytester.path / "cowmem-baseline.json").read_text())
    return set(*(profile["tests"] for profile in data["profiles"].values()))


@pytest.mark.parametrize(
    ("ci", "options", "failed"),
    [
        ("", [], 0),
        ("false", [], 0),
        ("true", [], 2),
        ("1", [], 2),
        ("true", ["-o", "cowmem_strict=false"], 0),
        ("", ["-o", "cowmem_strict=true"], 2),
        ("true", ["--cowmem-update"], 0),
    ],
)
def test_what_is_new_is_red_in_ci_unless_the_setting_says_otherwise(shop, ci, options, failed):
    result = shop(*options, ci=ci)
    result.assert_outcomes(failed=failed, passed=2 - failed)
    assert ("accept it with this Python" in told(result)) is bool(failed)


def test_a_baseline_of_another_environment_is_red_in_ci(shop, pytester):
    shop("--cowmem-update")
    path = pytester.path / "cowmem-baseline.json"
    path.write_text(path.read_text().replace("linux-", "plan9-"))
    shop().assert_outcomes(passed=2)
    red = shop(ci="true")
    red.assert_outcomes(failed=2)
    assert "is incompatible, which fails in CI" in told(red)
    assert "has only plan9-" in told(red)


def test_a_misspelt_baseline_is_a_usage_error_and_a_new_one_is_not(shop, pytester):
    wrong = shop("--cowmem-baseline=basline.json")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "correct --cowmem-baseline, or record it with --cowmem-update" in told(wrong)
    assert shop("--cowmem-baseline=other.json", "--cowmem-update").ret == 0
    assert shop("--cowmem-baseline=other.json").ret == 0


def test_an_update_in_ci_says_loudly_what_it_did(shop):
    one = shop("--cowmem-update", "-k", "one", ci="true")
    assert "accepted what it measured, 1 entry of" in told(one)
    assert "accepted what it measured, 2 entries of" in told(
        shop("--cowmem-update=all", ci="true", pages=512)
    )
    assert "accepted what it measured" not in told(shop("--cowmem-update", ci="true", pages=512))
    assert "accepted what it measured" not in told(shop("--cowmem-update", pages=512))


@pytest.mark.parametrize("moved", [False, True])
def test_a_renamed_test_is_held_to_what_it_was(shop, pytester, moved):
    shop("--cowmem-update")
    if moved:
        (pytester.path / "test_shop.py").unlink()
    name = "test_moved" if moved else "test_shop"
    pytester.makepyfile(**{name: TEST.replace("test_kept", "test_renamed")})
    green = shop(ci="true")
    green.assert_outcomes(passed=2)
    assert "renamed, it seems: test_shop.py::test_kept[one] had this source and app" in told(green)
    red = shop(pages=512, ci="true")
    red.assert_outcomes(failed=2)
    assert "private has regressed" in told(red)
    assert shop("--cowmem-update").ret == 0
    assert recorded(pytester) == {f"{name}.py::test_renamed[one]", f"{name}.py::test_renamed[two]"}
    assert "renamed, it seems" not in told(shop(ci="true"))


@pytest.mark.parametrize(
    "source",
    [
        TEST + TEST.replace("test_kept", "test_held"),  # the test is there, and a copy of it
        TEST.replace("test_kept", "test_held").replace("/", "/?"),  # another scenario
        TEST.replace("test_kept", "test_held").replace('"one", "two"', '"three", "four"'),
    ],
)
def test_another_test_is_new(shop, pytester, source):
    shop("--cowmem-update")
    pytester.makepyfile(test_shop=source)
    result = shop()
    assert "renamed, it seems" not in told(result)
    assert "2 new: no entry in cowmem-baseline.json" in told(result)
