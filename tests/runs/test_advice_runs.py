"""Advice in whole runs: it is tried, and what it says to win back is won back by who follows it."""

import re

import pytest

FOLLOWED = """
import pytest

SAID = {}

def explained(cow_worker, path, times=2, numbers=None):
    for number in numbers or [""] * times:
        cow_worker.get(f"{path}?{number}" if number else path)
    return cow_worker.explain()

NUMBERS = [*range(100_000, 100_010)]
BODIES = {
    "import": lambda worker: explained(worker, "/import"),
    "imports": lambda worker: explained(worker, "/import-two"),
    "cache": lambda worker: explained(worker, "/cache", numbers=NUMBERS),
    "cache long": lambda worker: explained(worker, "/cache", numbers=NUMBERS * 6),
    "first": lambda worker: explained(worker, "/once", numbers=[2_000_000] * 3),
}

@pytest.mark.parametrize("name", BODIES)
def test_said(cow_worker, name):
    SAID[name] = why = BODIES[name](cow_worker)

def follows(name, why, rule):
    before = SAID[name]
    (advice,) = [said for said in before.advice if said.rule == rule]  # 3.15 warms up as well
    assert before.private - why.private == pytest.approx(advice.gain, rel=0.15)
    assert advice.gain > 2 ** 19
    assert rule not in {said.rule for said in why.advice}

@pytest.mark.cow_app(prepare="curable:follow_import")
def test_import(cow_worker):
    follows("import", BODIES["import"](cow_worker), "preload")

@pytest.mark.cow_app(prepare="curable:follow_imports")
def test_imports(cow_worker):
    follows("imports", BODIES["imports"](cow_worker), "preload")

@pytest.mark.cow_app(prepare="curable:follow_cache")
@pytest.mark.parametrize("name", ["cache", "cache long"])
def test_cache(cow_worker, name):
    follows(name, BODIES[name](cow_worker), "share cache")

@pytest.mark.cow_app(prepare="curable:follow_first")
def test_first(cow_worker):
    follows("first", BODIES["first"](cow_worker), "warm up")

def allocate(cow_worker):
    return explained(cow_worker, "/allocate", numbers=[20_000] * 3)

@pytest.mark.cow_app(gc="100,2,2")
def test_said_to_freeze(cow_worker):
    SAID["freeze"] = allocate(cow_worker)

@pytest.mark.cow_app(gc="100,2,2", prepare="curable:follow_freeze")
def test_freeze(cow_worker):
    follows("freeze", allocate(cow_worker), "freeze")
"""


def test_who_follows_advice_wins_back_what_it_said(project, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    result = project(FOLLOWED, app="curable:app")
    result.assert_outcomes(passed=12)


def advice_in(result):
    """The advice that a run printed, by rule."""
    said = {}
    for text in re.findall(r"^\* (.*\n(?:  .*\n)*)", result.stdout.str(), re.MULTILINE):
        rule, _, sentence = " ".join(text.split()).partition(": ")
        said[rule] = sentence
    return said


RED = """
import pytest

@pytest.mark.mem_budget(private="64 KiB")
{mark}
def test_it(cow_worker):
    for _ in range({times}):
        cow_worker.get("{path}")
"""


@pytest.fixture
def red(project):
    """`red(path, times, mark)` is the advice for a red test that makes so many requests."""

    def run(path, times=3, mark=""):
        result = project(RED.format(path=path, times=times, mark=mark), app="curable:app")
        result.assert_outcomes(failed=1)
        return advice_in(result)

    return run


def test_a_list_of_objects_that_is_read_is_to_be_read_less(red):
    (said,) = red("/read").items()
    assert said[0] == "read less"
    assert re.match(r"\S*curable.py:\d+ reads or writes shared objects, which copied 6\.", said[1])
    assert " objects of curable lie there, and " in said[1]
    assert said[1].count(" of type dict; ") == 1


@pytest.mark.parametrize("collector", ["", '@pytest.mark.cow_app(gc="off")'])
def test_a_call_of_the_collector_is_to_be_left_out(red, collector):
    (said,) = red("/collect?2", 4, collector).items()
    assert said[0] == "collect"
    shown = r"gc\.collect\(\) is called at \S*curable\.py:\d+, and wrote to [\d.]+ MiB in (\d+) "
    assert re.findall(shown, said[1]) == ["4"]
    assert said[1].endswith("collections: leave the call out")


def test_young_collections_that_are_called_are_told_from_those_that_come(project):
    result = project(
        """
        def test_it(cow_worker):
            for _ in range(5):
                cow_worker.get("/collect?0")
                cow_worker.get("/allocate?5000")
            found = cow_worker.explain().collections
            assert sum(part.times for part in found if part.called) == 5
            assert {part.generation for part in found if part.called} == {0}
            assert sum(part.times for part in found if not part.called) > 0
        """,
        app="curable:app",
    )
    result.assert_outcomes(passed=1)


def test_who_turns_the_collector_on_is_named(red):
    (said,) = red("/turn-on", 3, '@pytest.mark.cow_app(gc="off")').items()
    assert said[0] == "collector"
    assert re.match(r"\S*curable\.py:\d+ turns the garbage collector on in the worker", said[1])


def test_a_leak_stays_a_leak_where_filling_before_the_fork_does_not_help(red):
    assert [*red("/leak?5000", 100)] == ["leak"]


def test_a_large_list_that_leaks_is_no_cache_though_it_makes_room_rarely(project):
    result = project(
        """
        import pytest

        @pytest.mark.mem_budget(growth="64 B")
        def test_it(cow_worker):
            cow_worker.get("/once?2000000")
            cow_worker.burst("GET", "/leak-entries?100", times=1500)
        """,
        app="curable:app",
    )
    result.assert_outcomes(failed=1)
    said = advice_in(result)
    assert "kept in curable.LEAKED, 100 entries a request" in said["leak"]
    assert "share cache" not in said


def test_what_cannot_be_tried_names_no_gain(project):
    result = project(
        """
        rounds = []
        def test_it(cow_worker):
            rounds.append(None)
            assert cow_worker.get("/import").status_code == 200
            assert len(rounds) != 4, "the scenario does not work now"
            (advice,) = cow_worker.explain().advice
            assert (advice.rule, advice.gain) == ("preload", None)
            assert advice.text.startswith("import pydoc_data.topics before forking: every worker")
            assert "KiB" not in advice.text and "MiB" not in advice.text
        """,
        app="curable:app",
    )
    result.assert_outcomes(passed=1)


def test_modules_without_byte_code_are_to_be_compiled_first(project, pytester, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    rows = "\n".join(f"ROW_{number} = {{'n': [{number}]}}" for number in range(600))
    pytester.makepyfile(late_rows=f"import sys\nsys.dont_write_bytecode = True\n{rows}")
    pytester.makepyfile(
        lately="""
        import sys
        def app(environ, start_response):
            sys.dont_write_bytecode = True
            import late_rows
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok"]
        """
    )
    result = project(RED.format(path="/", times=1, mark=""), app="lately:app")
    said = advice_in(result)
    assert [*said] == ["preload", "compile"]
    assert said["compile"].startswith("late_rows is compiled in every worker that imports it")


def test_advice_that_is_not_shown_is_not_tried(project, pytester):
    test_file = """
        def test_it(cow_worker):
            with open("bodies", "a") as file:
                file.write("x")
            cow_worker.get("/import")
        """
    bodies = pytester.path / "bodies"

    def count(*options):
        bodies.unlink(missing_ok=True)
        project(test_file, *options, app="curable:app").assert_outcomes(passed=1)
        return len(bodies.read_text())

    shown, written = count("--cowmem-update", "--cowmem-explain"), count("--cowmem-update=all")
    assert shown - written == 2  # without and with what advice says


def test_a_leak_stays_one_though_serving_before_the_fork_wins_back_much_else(project):
    result = project(
        """
        import pytest

        @pytest.mark.mem_budget(private="64 KiB")
        def test_it(cow_worker):
            cow_worker.get("/once?2000000")
            for _ in range(100):
                cow_worker.get("/leak?2000")
        """,
        app="curable:app",
    )
    result.assert_outcomes(failed=1)
    assert "leak" in advice_in(result)
    assert "share cache" not in advice_in(result)
