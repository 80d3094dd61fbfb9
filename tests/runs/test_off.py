"""Without --cowmem the plugin is off.

Nothing is imported, measured tests are skipped and say why, and other tests run as ever.
"""

import importlib.util
import subprocess
import sys

import pytest

LIBRARIES = ("httpx2", "psutil", "tabulate")
FOLDERS = ("cli", "explain", "host", "judge", "report", "run", "zygote")
HEAVY = (*LIBRARIES, *(f"pytest_cowmem.{folder}" for folder in FOLDERS))


@pytest.mark.parametrize("name", HEAVY)
def test_what_must_not_be_imported_exists(name):
    """A name that nothing has would never be found among the imported ones."""
    assert importlib.util.find_spec(name)


def test_the_plugin_imports_nothing_it_does_not_need(pytester):
    pytester.makepyfile(
        "import sys\n"
        "def test_modules():\n"
        "    assert 'pytest_cowmem.plugin' in sys.modules\n"
        f"    assert not set({HEAVY!r}) & set(sys.modules)\n"
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_importing_the_package_imports_nothing():
    code = f"import sys, pytest_cowmem; print(set({HEAVY!r}) & set(sys.modules))"
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert found == "set()\n"


def test_markers_are_declared_and_budgets_ignored(pytester):
    pytester.makepyfile(
        "import pytest\n@pytest.mark.mem_budget(nonsense=1)\ndef test_plain(): pass\n"
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)


@pytest.mark.parametrize("fixture", ["cow_worker", "cow_zygote"])
def test_measured_tests_are_skipped_before_their_app_is_asked_for(pytester, fixture):
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def cow_app(): raise RuntimeError('asked')\n"
    )
    pytester.makepyfile(f"def test_it({fixture}): pass\n")
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*run with --cowmem to measure it*"])


def test_what_uses_the_apps_name_is_skipped_too(pytester):
    pytester.makepyfile(
        "def test_it(cow_app, cow_worker): pass\ndef test_name(cow_app): assert cow_app is None\n"
    )
    pytester.runpytest_subprocess().assert_outcomes(skipped=1, passed=1)


@pytest.mark.parametrize("option", ["strict", "update", "only", "prove"])
def test_an_option_without_the_flag_is_a_usage_error(pytester, option):
    result = pytester.runpytest_subprocess(f"--cowmem-{option}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: *add --cowmem"])
