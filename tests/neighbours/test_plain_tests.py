"""Plain tests with a budget beside other plugins, which `make test-neighbours` installs."""

import re
import sys

import pytest

for plugin in ("pytest_asyncio", "pytest_cov", "pytest_django", "pytest_memray"):
    pytest.importorskip(plugin, reason="make test-neighbours installs it")

BUDGET = "import pytest\npytestmark = pytest.mark.mem_budget(private='100 MiB')\n"


@pytest.fixture
def run(pytester):
    """`run(test, *args)` runs a test file with --cowmem, in a process of its own."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def in_process_of_its_own(test, *args):
        pytester.makepyfile(test_it=BUDGET + test)
        return pytester.runpytest_subprocess("--cowmem", "-p", "no:cacheprovider", *args)

    return in_process_of_its_own


def measured(result):
    """Return the names of the tests that the summary's table has."""
    return re.findall(r"^\S*::(\S+) .* ok$", result.stdout.str(), re.MULTILINE)


def test_async_tests_and_their_fixtures_run_in_the_fork(run):
    result = run(
        """
import asyncio, os
import anyio, pytest_asyncio

PYTEST = os.getpid()

@pytest_asyncio.fixture
async def of_asyncio():
    await asyncio.sleep(0)
    yield asyncio.get_running_loop()
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_asyncio(of_asyncio):
    await asyncio.sleep(0.001)
    assert os.getpid() != PYTEST and asyncio.get_running_loop() is of_asyncio

@pytest.mark.asyncio
async def test_fails():
    await asyncio.sleep(0)
    assert [1] == [2]

@pytest.fixture
def anyio_backend(): return "asyncio"

@pytest.fixture
async def of_anyio(anyio_backend):
    yield 3
    await anyio.sleep(0)

@pytest.mark.anyio
async def test_anyio(of_anyio):
    await anyio.sleep(0.001)
    assert os.getpid() != PYTEST and of_anyio == 3
"""
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E * assert ?1? == ?2?"])
    assert sorted(measured(result)) == ["test_anyio", "test_asyncio"]


CODE = """
def used(here):
    if here:
        return "in the fork"
    return "in pytest"

def unused():
    return "nowhere"
"""
USE = """
import code_of_mine

def test_used(): assert code_of_mine.used(True)

@pytest.fixture
def outside(): return code_of_mine.used(False)

def test_fixture(outside): pass
"""


@pytest.mark.parametrize("options", [(), ("--cov-branch", "--numprocesses=1")])
def test_lines_that_ran_in_the_fork_are_covered(run, pytester, options):
    pytester.makepyfile(code_of_mine=CODE)
    result = run(USE, "--cov=code_of_mine", "--cov-report=term-missing", *options)
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines([r"code_of_mine\.py .*% +7$"])
    assert [path.name for path in pytester.path.glob(".coverage*")] == [".coverage"]


def test_coverage_alone_keeps_what_pytest_itself_ran(run, pytester):
    pytester.makepyfile(code_of_mine=CODE, test_it=BUDGET + USE)
    coverage = (sys.executable, "-m", "coverage")
    command = ("run", "--include=code_of_mine.py", "-m", "pytest", "--cowmem")
    pytester.run(*coverage, *command).assert_outcomes(passed=2)
    report = pytester.run(*coverage, "report", "-m")
    report.stdout.re_match_lines([r"code_of_mine\.py .*% +7$"])


def test_a_test_is_run_again_for_what_its_fork_raised(run):
    result = run(
        """
import os

attempts = []

@pytest.fixture
def attempt(request):
    attempts.append(request.node.name)
    return attempts.count(request.node.name)

@pytest.mark.flaky(reruns=2, only_rerun=["AssertionError"])
def test_again(attempt): assert attempt == 2

@pytest.mark.flaky(reruns=2, only_rerun=["ValueError"])
def test_once(attempt): assert attempt == 2

@pytest.mark.flaky(reruns=1)
def test_dies(attempt):
    if attempt == 2:
        os._exit(3)
    assert attempt == 0
"""
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["the test's fork exited with code 3 while running *::test_dies"])
    result.stdout.fnmatch_lines(["note: an earlier attempt of this test was red (test_again)"])


def test_memray_limits_the_fork_and_tracks_a_measured_test_once_a_round(run):
    result = run(
        """
@pytest.fixture(scope="session")
def cow_app(): return "wsgiref.simple_server:demo_app"

@pytest.mark.limit_memory("50 MB")
def test_worker(cow_worker): assert cow_worker.get("/").status_code == 200

@pytest.mark.limit_memory("50 MB")
def test_within(): pass

@pytest.mark.limit_memory("1 MB")
def test_beyond(): kept = bytearray(5_000_000)
""",
        "--cowmem-rounds=2",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["Test was limited to 1.0MiB but allocated *"])


def test_the_fork_has_the_database_mocks_and_benchmark_of_its_test(run, pytester):
    pytester.makepyfile(
        site_settings="""
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
    )
    result = run(
        """
import os

@pytest.fixture
def ada(db):
    from django.contrib.auth.models import User
    return User.objects.create(username="ada")

@pytest.mark.parametrize("number", [1, 2])
def test_database(ada, number, django_user_model):
    django_user_model.objects.create(username="bob")
    assert django_user_model.objects.count() == 2

def test_mock(mocker):
    mocker.patch("os.getcwd", return_value="mocked")
    assert os.getcwd() == "mocked"

def test_benchmark(benchmark): assert benchmark.pedantic(lambda: 3) == 3
""",
        "--ds=site_settings",
    )
    result.assert_outcomes(passed=4)
    assert len(measured(result)) == 4
