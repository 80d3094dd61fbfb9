"""Whole runs that say why: what a red test shows, what a baseline keeps, and `explain()`."""

import json
import re

import pytest

from pytest_cowmem.model.record import Record

RED = """
import pytest

@pytest.mark.mem_budget(private="64 KiB")
def test_red(cow_worker):
    cow_worker.get("/read")

def test_green(cow_worker):
    cow_worker.get("/")
"""


def number_in(result, pattern):
    """Return the number that a pattern's group matches in what a run printed."""
    (number,) = re.findall(pattern, before_the_end(result), re.MULTILINE)
    return float(number)


def before_the_end(result):
    """Return what a run printed before the short summary.

    Where the variable CI is set, pytest repeats whole failures there.
    """
    return result.stdout.str().partition("= short test summary info =")[0]


def test_a_red_test_says_why_and_a_green_one_does_not(project):
    result = project(RED, app="bare:busy")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "where * went: * fresh, * copied (* by *",
            "*private *line *function *most of it under*",
            "*MiB *apps/bare.py:* *genexpr*",
            "by module: bare *",
            "on copied pages: objects of bare *",
            "[*] read less:*",
        ]
    )
    text = " ".join(before_the_end(result).split())
    assert "bare.py:" in text.partition("read less:")[2]
    assert " reads or writes shared objects, which copied " in text
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
        green = "-- test_all_are_explained_when_asked_under_xdist_too::test_green"
        result.stdout.fnmatch_lines([green, "where * went: *"])


ONE_REQUEST = "def test_it(cow_worker):\n    cow_worker.get('/{}')\n"


def test_the_baseline_keeps_bytes_by_module_and_a_regression_says_which_grew(project, pytester):
    update = project(ONE_REQUEST.format(""), "--cowmem-update", app="bare:busy")
    update.assert_outcomes(passed=1)
    data = json.loads((pytester.path / "cowmem-baseline.json").read_text())
    (profile,) = data["profiles"].values()
    (entry,) = profile["tests"].values()
    assert entry.get("modules", {}).get("bare", 0) < 100_000
    result = project(ONE_REQUEST.format("read"), app="bare:busy")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["by module, since the baseline: bare +* MiB"])


KEEPERS = {
    "shop": """
        import keeping, cleaning
        DATA = [{"n": n} for n in range(20_000)]
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/keep":
                keeping.keep(["name %d" % number for number in range(20_000)])
            if environ["PATH_INFO"] == "/clean":
                cleaning.clean()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok"]
        """,
    "keeping": "KEPT = []\ndef keep(value):\n    KEPT.append(value)\n",
    "cleaning": "import gc\ndef clean():\n    gc.collect()\n",
}


def test_what_keeps_or_collects_is_named_and_not_the_module_that_allocates(project, pytester):
    pytester.makepyfile(**KEEPERS)
    update = project(ONE_REQUEST.format(""), "--cowmem-update", app="shop:app")
    update.assert_outcomes(passed=1)
    for path, module in (("keep", "keeping"), ("clean", "(collections)")):
        result = project(ONE_REQUEST.format(path), app="shop:app")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"by module, since the baseline: {module}* +*"])


def test_a_baseline_without_modules_is_read(project, pytester):
    body = ONE_REQUEST.format("allocate?9000")
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
            assert len(seen) == 3 and seen.count(seen[0]) == 3
        """,
        "--cowmem-rounds=3",
        app="bare:busy",
    )
    result.assert_outcomes(passed=2)


def test_collections_come_in_the_traced_round_when_they_come_in_others(project):
    body = """
        def test_it(cow_worker):
            for _ in range(50):
                cow_worker.get("/allocate?100")
            why = cow_worker.explain()
            assert why.measured["gc_collections"] > 1
            traced = sum(part.times for part in why.collections)
            assert traced == why.measured["gc_collections"]
        """
    project(body, app="bare:busy").assert_outcomes(passed=1)


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
    refused = "explain() ends what is measured: move it behind the test's last request"
    result.stdout.fnmatch_lines([f"E *CannotMeasure: {refused}"])


def test_an_assertion_on_an_explanation_fails_the_test(project):
    assertion = "    assert not cow_worker.explain().lines\n"
    result = project(ONE_REQUEST.format("read") + assertion, app="bare:busy")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">   {assertion.rstrip()}", "E *assert not (*"])


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
    result.stdout.fnmatch_lines(
        [
            "private is over budget by *",
            "note: why is not known, since a traced round failed: AssertionError: only once",
        ]
    )


def test_drawing_that_raises_is_told_as_what_it_is(project, pytester):
    pytester.makepyfile(
        no_referents="import gc\nfrom bare import busy as app\ngc.get_referents = None\n"
    )
    result = project(RED, "-k", "red", app="no_referents:app")
    result.assert_outcomes(failed=1, deselected=1)
    said = " ".join(result.stdout.str().split())
    assert "private is over budget by" in said
    raised = "drawing the app's objects raised TypeError: 'NoneType' object is not callable"
    assert f"{raised}: please report this as a bug" in said


def test_whatever_ends_a_traced_round_does_not_turn_a_green_test_red(project):
    result = project(
        """
        import pytest
        rounds = {}
        @pytest.mark.parametrize("error", [SystemExit("bye"), BaseException("odd")])
        def test_it(cow_worker, error):
            cow_worker.get("/")
            rounds[error] = rounds.get(error, 0) + 1
            if rounds[error] == 2:
                raise error
        """,
        "--cowmem-explain",
    )
    result.assert_outcomes(passed=2)
    errors = ("SystemExit: bye", "BaseException: odd")
    result.stdout.fnmatch_lines([f"*a traced round failed: {error}*" for error in errors])


def test_a_traced_round_can_be_interrupted(project):
    result = project(
        """
        import pytest
        rounds = []
        def test_it(cow_worker):
            cow_worker.get("/")
            rounds.append(None)
            if len(rounds) == 2:
                pytest.exit("enough")
        """,
        "--cowmem-explain",
    )
    result.stdout.fnmatch_lines(["!* _pytest.outcomes.Exit: enough !*"])
    result.stdout.no_fnmatch_line("*why is not known*")


LATE = {
    "late_wsgi": """
        def app(environ, start_response):
            import late_tables
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok"]
        """,
    "late_tables": "import late_rows\nNAMES = ['name %d' % number for number in range(3_000)]\n"
    + "X = {1: [2], 3: (4, 5)}\n" * 3_000,
    "late_rows": "ROWS = [[number] for number in range(3_000)]\n",
}


def test_an_explanation_asked_for_is_not_of_the_round_that_compiles(project, pytester, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    pytester.makepyfile(**LATE)
    result = project(
        """
        import pytest
        @pytest.mark.mem_budget(private="1 KiB")
        def test_it(cow_worker):
            cow_worker.get("/")
            why = cow_worker.explain()
            assert why.first == why.private
            found = {(it.module, it.by, it.place) for it in why.imports}
            assert ("late_tables", "late_tables", "late_wsgi.py:2") in found
            assert ("late_rows", "late_tables", "late_wsgi.py:2") in found
            (preload,) = [advice for advice in why.advice if advice.rule == "preload"]
            assert why.private - 64 * 1024 < preload.gain <= why.private
        """,
        app="late_wsgi:app",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "private is over budget by *",
            "late imports: late_tables * (late_wsgi.py:2)*",
            "[*] preload: import late_tables *",
        ]
    )
    result.stdout.no_fnmatch_line("[*] share cache: *")
    measured = number_in(result, r"^private +([\d.]+) ")
    explained = number_in(result, r"^where (\S+) ")
    assert explained == pytest.approx(measured, rel=0.1)


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
    assert record.explanation
    assert record.explanation.lines[0].path.endswith("bare.py")
    assert record.explanation.by_writes
    assert record.explanation.by_writes > 2**20
    assert json.loads(json.dumps(record.to_dict())) == data
