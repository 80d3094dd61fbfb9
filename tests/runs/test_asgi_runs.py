"""ASGI apps in whole runs: explanations, advice and policies."""

BODY = """
    def test_fills(cow_worker):
        cow_worker.burst("GET", "/fill", times=12)
"""


def test_an_explanation_names_the_line_of_a_coroutine(project):
    run = project(BODY, "--cowmem-explain", app="bare_asgi:fills")
    run.assert_outcomes(passed=1)
    told = "\n".join(run.outlines)
    assert "bare_asgi.py:" in told
    assert " fills bare_asgi.filled, 0 -> 400 entries" in " ".join(told.split())
    advice = "* share cache: bare_asgi.filled grows from 0 to 400 entries in every worker"
    assert advice in " ".join(told.split())


def test_no_master_serves_what_needs_a_loop(project):
    run = project(BODY, "--cowmem-what-if", app="bare_asgi:fills")
    run.assert_outcomes(passed=1)
    told = "\n".join(run.outlines)
    assert "as configured" in told
    assert "prewarmed" not in told


def test_a_task_that_goes_on_is_noted(project):
    run = project("def test_it(cow_worker): cow_worker.get('/for_ever')", app="bare_asgi:spawns")
    run.assert_outcomes(passed=1)
    assert "went on for long: Event.wait" in " ".join(run.outlines)
