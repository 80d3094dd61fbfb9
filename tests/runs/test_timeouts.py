"""A measured test that pytest-timeout ends tells what it was at, without frames of the plugin."""

import sys

import pytest
from folders import APPS


@pytest.fixture(autouse=True)
def slow_app(pytester):
    pytester.makepyfile(
        slow="import time\nfrom bare import dies as app\ndef wait():\n    time.sleep(600)\n",
        never="import time\ntime.sleep(600)\n",
    )


def shown(result):
    """What the run printed of its failures."""
    return result.stdout.str().partition("short test summary info")[0]


def test_a_request_that_hangs_is_shown_with_the_tests_frames_alone(project):
    result = project(
        """
        import signal
        import pytest

        def helper(worker):
            signal.setitimer(signal.ITIMER_REAL, 0.3)  # pytest-timeout's own timer, due now
            worker.get("/hang")  # asked for here

        @pytest.mark.timeout(600)
        def test_it(cow_worker):
            helper(cow_worker)
        """,
        app="slow:app",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*worker.get(?/hang?)  # asked for here", "E * Timeout *"])
    assert "client.py" not in shown(result)  # httpx2's and this plugin's
    assert "wire.py" not in shown(result)


def test_a_timeout_outside_the_body_says_that_all_rounds_are_timed(project):
    result = project(
        """
        import pytest

        @pytest.mark.timeout(3, func_only=True)
        @pytest.mark.cow_app(after_fork="slow:wait")
        def test_it(cow_worker):
            cow_worker.get("/")
        """,
        app="slow:app",
    )
    result.assert_outcomes(failed=1)
    told = " ".join(shown(result).split())
    assert "outside the test's body, of which 0 rounds were over: leave time for all rounds" in told
    assert "pytest_cowmem" not in told.partition("FAILURES")[2]


def test_a_timeout_of_the_import_names_the_app(project):
    result = project(
        """
        import pytest

        @pytest.mark.timeout(3)
        def test_it(cow_worker):
            cow_worker.get("/")
        """,
        app="never:app",
    )
    result.assert_outcomes(errors=1)
    told = " ".join(shown(result).split())
    assert "while the app 'never:app' was preloaded" in told
    assert "pytest_cowmem" not in told.partition("ERRORS")[2]


def test_a_test_that_fails_itself_keeps_its_frames_wherever_it_is_defined(project, pytester):
    pytester.makepyfile(
        elsewhere="import pytest\nclass Base:\n    def test_it(self, cow_worker):\n"
        "        pytest.fail('of its own')  # failed here\n"
    )
    result = project("from elsewhere import Base\nclass TestIt(Base): pass\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*pytest.fail('of its own')  # failed here", "E *of its own"])


def test_the_thread_method_shows_the_tests_frames_too(pytester):
    """It ends pytest itself, after it has printed what all threads were at."""
    pytester.makeini(f"[pytest]\ncowmem_app = slow:app\npythonpath = '{APPS}'")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.timeout(3, method="thread", func_only=True)
        def test_it(cow_worker):
            cow_worker.get("/hang")  # asked for here
        """
    )
    result = pytester.run(sys.executable, "-m", "pytest", "--cowmem")
    result.stdout.fnmatch_lines(["*in test_it", '*cow_worker.get("/hang")  # asked for here'])
