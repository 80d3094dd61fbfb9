"""Whole runs of pytest that say why: what a red test shows, what the baseline keeps, and `cow_worker.explain()`."""

import json

from pytest_cowmem.record import Record

RED = """
import pytest

@pytest.mark.mem_budget(private="64 KiB")
def test_red(cow_worker):
    cow_worker.get("/read")

def test_green(cow_worker):
    cow_worker.get("/")
"""


def before_the_end(result):
    """What a run printed until its last lines, in which pytest repeats failures whole where the variable CI is set."""
    return result.stdout.str().partition("= short test summary info =")[0]


def test_a_red_test_says_why_and_a_green_one_does_not(project):
    result = project(RED, app="bare:busy")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "where * went: * fresh, * copied (* by *",
            "*private *line *function *most of it under*",
            "*MiB *apps/bare.py:* *genexpr*",
            "modules, by their lines: bare *",
            "on copied pages: objects of bare *",
            "[*] read less: *bare.py:*",
        ]
    )
    text = " ".join(before_the_end(result).split())
    assert " reads or writes shared objects on about " in text
    assert "% of it; " in text
    assert text.count("A traced round explains ") == 1
    explained = before_the_end(result).partition("\nwhere ")[2].partition("= cowmem =")[0]
    assert max(map(len, explained.splitlines()[:-1])) <= 80


def test_all_are_explained_when_asked_under_xdist_too(project):
    for options in ((), ("-n", "2")):
        result = project(RED, "--cowmem-explain", *options, app="bare:busy")
        result.assert_outcomes(passed=1, failed=1)
        summary = before_the_end(result).partition("= cowmem =")[2]
        assert summary.count("where ") == 1
        result.stdout.fnmatch_lines(["-- test_all_are_explained_when_asked_under_xdist_too::test_green", "where * went: *"])


def test_the_baseline_keeps_bytes_by_module_and_a_regression_says_which_grew(project, pytester):
    body = "def test_it(cow_worker):\n    cow_worker.get('/{}')\n"
    project(body.format(""), "--cowmem-update", app="bare:busy").assert_outcomes(passed=1)
    (profile,) = json.loads((pytester.path / "cowmem-baseline.json").read_text())["profiles"].values()
    (entry,) = profile["tests"].values()
    assert entry["modules"]["pytest_cowmem"] > 0
    assert "bare" not in entry["modules"] or entry["modules"]["bare"] < 100_000
    result = project(body.format("read"), app="bare:busy")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["modules, by their lines, since the baseline: bare +* MiB"])


def test_a_baseline_without_modules_is_read(project, pytester):
    body = "def test_it(cow_worker):\n    cow_worker.get('/')\n"
    project(body, "--cowmem-update", app="bare:busy")
    path = pytester.path / "cowmem-baseline.json"
    data = json.loads(path.read_text())
    for profile in data["profiles"].values():
        for entry in profile["tests"].values():
            del entry["modules"]
    path.write_text(json.dumps(data))
    project(body, app="bare:busy").assert_outcomes(passed=1)


def test_explain_gives_the_same_as_data_in_every_round(project):
    result = project(
        """
        seen = []
        def test_it(cow_worker):
            cow_worker.get("/read")
            why = cow_worker.explain()
            seen.append(why)
            assert why.lines[0].path.endswith("bare.py") and why.lines[0].bytes > 2**20
            assert 0.9 < why.share < 1.1
            assert [advice.rule for advice in why.advice] == ["read less"]
        def test_rounds():
            assert len(seen) == 4 and seen.count(seen[0]) == 4  # traced, and three measured
        """,
        "--cowmem-rounds=3",
        app="bare:busy",
    )
    result.assert_outcomes(passed=2)


def test_explain_comes_last(project):
    result = project(
        """
        def test_it(cow_worker):
            cow_worker.get("/")
            cow_worker.explain()
            cow_worker.get("/")
        """,
        app="bare:busy",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *CannotMeasure: explain() ends what is measured: move it behind the test's last request"])


def test_an_assertion_on_an_explanation_fails_the_test(project):
    result = project("def test_it(cow_worker):\n    cow_worker.get('/read')\n    assert not cow_worker.explain().lines\n", app="bare:busy")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">       assert not cow_worker.explain().lines", "E *assert not (*"])


def test_a_test_that_cannot_be_traced_stays_red_and_says_so(project):
    result = project(
        """
        import pytest
        calls = []
        @pytest.mark.mem_budget(private="64 KiB")
        def test_it(cow_worker):
            cow_worker.get("/read")
            calls.append(None)
            assert len(calls) == 1, "only once"
        """,
        app="bare:busy",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["private is over budget by *", "note: why is not known, since a traced round failed: only once*"])


def test_a_record_with_an_explanation_survives_json(project, pytester):
    pytester.makeconftest(
        """
        import json
        def pytest_runtest_logreport(report):
            if "cowmem" in vars(report):
                with open("record.json", "w") as file:
                    json.dump(report.cowmem, file)
        """
    )
    project(RED, "-k", "red", app="bare:busy")
    data = json.loads((pytester.path / "record.json").read_text())
    record = Record.from_dict(data)
    assert record.explanation.lines[0].place.startswith("apps/bare.py") or record.explanation.lines[0].path.endswith("bare.py")
    assert record.explanation.by_writes > 2**20
    assert json.loads(json.dumps(record.to_dict())) == data
