"""What a run says to CI services: GitHub's commands and summary, properties in a JUnit file."""

from xml.etree import ElementTree

import pytest

TESTS = """
    import pytest

    @pytest.mark.mem_budget(private="4 KiB")
    def test_over(cow_worker):
        print("::error::captured")
        cow_worker.get("/")

    @pytest.mark.mem_budget(private="64 MiB")
    def test_plain():
        pass

    def test_broken(cow_worker):
        pytest.fail("\\n::error::raised")

    def test_another():
        print("::notice::not measured")
        pytest.fail()
"""


def properties(path):
    """The properties of each test in a JUnit file."""
    return {
        case.get("name"): {it.get("name"): it.get("value") for it in case.iter("property")}
        for case in ElementTree.parse(path).iter("testcase")
    }


def test_github_is_told_of_a_step(project, pytester, monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    result = project(TESTS, "--junitxml", "junit.xml", "-o", "cowmem_strict=false")
    result.stdout.fnmatch_lines(
        [
            "::stop-commands::*",
            "*= cowmem =*",
            "::????????????????????????????????::",
            "::error file=test_github_is_told_of_a_step.py,line=3,title=test_over%3A over budget::"
            "private is over budget by *",
        ]
    )
    printed = result.stdout.str()
    assert printed.count("\n::error") == 1
    assert "\n: :error::captured\n" in printed
    assert "\n: :error::raised\n" in printed
    assert "\n::notice::not measured\n" in printed
    assert printed.count("\ngc_collections ") == 1  # pytest's summary has no failure a second time
    check_properties(pytester.path / "junit.xml")
    summary = (pytester.path / "summary.md").read_text()
    assert summary.startswith(
        "## Memory gate failed: 1 of 3 over budget, 1 failed before it was measured, by "
    )


def check_properties(path):
    found = properties(path)
    over, plain = found["test_over"], found["test_plain"]
    assert over["cowmem_verdict"] == "over budget"
    assert int(over["cowmem_private"]) > int(over["cowmem_private_budget"]) == 4096
    assert "cowmem_private_baseline" not in over
    assert (plain["cowmem_verdict"], plain["cowmem_private_budget"]) == ("ok", str(64 * 2**20))
    assert found["test_broken"] == {}


def test_a_junit_file_has_the_figures_under_xdist(project, pytester):
    project(TESTS, "--junitxml", "junit.xml", "-n", "1")
    check_properties(pytester.path / "junit.xml")


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="came with pytest 9")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_what_a_part_of_a_test_printed_is_no_command(project, monkeypatch, workers):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    test = """
        def test_it(cow_worker, subtests):
            cow_worker.get("/")
            with subtests.test("a part"):
                print("::error::captured")
                assert 0, "\\n::error::raised"
    """
    printed = project(test, *workers).stdout.str()
    assert "\n: :error::captured\n" in printed
    assert "\n::error::captured" not in printed
    assert "::error::raised\n" in printed
    assert "\n::error::raised" not in printed
