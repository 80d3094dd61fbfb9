"""Tests that call functions, those of their own module too."""

BODY = """
    import os
    import pytest
    import alone

    calls = []

    def own(number):
        return alone.add(number, 1), "pytest" in __import__("sys").modules

    async def awaited(number):
        return own(number)[0]

    def through(worker, number):
        return worker.call(own, number)

    def test_own(cow_worker):
        assert cow_worker.call(own, 1) == (2, True)
        assert cow_worker.call_burst(awaited, 2, times=9) == 3

    @pytest.mark.parametrize("function", [own, awaited])
    def test_parameter(cow_worker, function):
        cow_worker.call(function, 3)

    def test_helper(cow_worker):
        assert through(cow_worker, 4) == (5, True)

    class Shelf:
        @staticmethod
        def size():
            return "pytest" in __import__("sys").modules

    def test_class(cow_worker):
        assert cow_worker.call(Shelf.size)

    def test_theirs(cow_worker):
        assert cow_worker.call("alone:add", 1, 2) == 3
        assert not cow_worker.call("alone:is_loaded", "pytest")

    @pytest.mark.mem_budget(imports=0)
    def test_nothing_is_imported_in_the_worker(cow_worker):
        cow_worker.call(own, 1)
"""


def test_the_tests_module_is_loaded_where_its_functions_are_called(project):
    run = project(BODY, app="alone")
    run.assert_outcomes(passed=7)
    told = [line for line in run.outlines if line.startswith("zygote alone")]
    assert [line.rstrip("0123456789. MKiBresdnt") for line in told] == [
        "zygote alone:",
        "zygote alone, functions of",
    ]


def test_an_own_function_that_the_test_does_not_name_is_told(project):
    body = """
        def own():
            return 1

        def test_it(cow_worker):
            cow_worker.call(globals()["o" + "wn"])
    """
    run = project(body, app="alone")
    run.assert_outcomes(failed=1)
    told = " ".join("".join(run.outlines).split())
    assert "is of the test's own module, which workers have where the test names the" in told


def test_what_is_preloaded_is_in_the_report(project):
    body = """
        import pytest

        @pytest.mark.cow_app(preload=["sqlite3", "sqlite3"])
        def test_it(cow_worker):
            cow_worker.get("/")
    """
    run = project(body)
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines(
        [
            r"- preload sqlite3: .* in \d+ modules",
            "- preload sqlite3: nothing, it was loaded already",
        ]
    )
