"""Plain tests with a budget: the body runs in a fork, and all that it may do looks as ever."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from pytest_cowmem.model.metrics import OF_PLAIN_TESTS

# More than a body takes that does nothing: up to 2.2 MiB in a large pytest process, on 3.15.
BUDGET = "import pytest\npytestmark = pytest.mark.mem_budget(private='6 MiB')\n"
ROWS = "ROWS = [{'number': number} for number in range(20_000)]\n"


def told(result):
    """Return what a run printed in one line, since sentences are wrapped to the terminal."""
    return " ".join(result.stdout.str().split())


def test_a_body_within_its_budget_passes_and_one_beyond_fails_with_the_figures(project):
    result = project(
        f"""{BUDGET}{ROWS}
def test_nothing(): pass

@pytest.mark.mem_budget(private="500 KiB", imports=0)
def test_scan():
    print("scanning")
    assert sum(row["number"] for row in ROWS)
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "private is over budget by *",
            "metric * measured * budget * baseline * difference * verdict",
            "private * 500 KiB * - * over budget",
            "imports * 0 * ok",
            "where the bytes went is not known of a plain test: *",
            "scanning",
            "*::test_nothing * ok",
            "*::test_scan * MiB * over budget",
        ]
    )
    assert "zygote" not in result.stdout.str()


def test_no_baseline_has_a_plain_test_and_ci_does_not_ask_for_it(project, pytester, monkeypatch):
    monkeypatch.setenv("CI", "true")
    for options in ((), ("--cowmem-strict",), ("--cowmem-update=all",)):
        result = project(BUDGET + "def test_nothing(): pass\n", *options)
        result.assert_outcomes(passed=1)
        assert result.ret == 0
        assert "new" not in result.stdout.str()
    assert not (pytester.path / "cowmem-baseline.json").exists()


def test_only_the_body_runs_in_the_fork_and_it_runs_once(project, pytester):
    result = project(
        f"""{BUDGET}
import os

PYTEST, GROUP, changed = os.getpid(), os.getpgrp(), []

@pytest.fixture(scope="module", autouse=True)
def of_module():
    yield
    assert os.getpid() == PYTEST

@pytest.fixture
def of_test():
    assert os.getpid() == PYTEST
    value = []
    yield value
    assert os.getpid() == PYTEST and value == []

def test_body(of_test):
    with open("bodies", "a") as file:
        file.write("x")
    of_test.append(1)
    changed.append(1)
    assert os.getpid() != PYTEST
    assert os.getpgrp() == GROUP  # as one that reads from the terminal has to

def test_after():
    assert changed == []
"""
    )
    result.assert_outcomes(passed=2)
    assert (pytester.path / "bodies").read_text() == "x"


ALL_THAT_A_TEST_MAY_DO = """
import logging, random, unittest, warnings
import pytest

pytestmark = pytest.mark.mem_budget(private="100 MiB")

@pytest.fixture
def seeded():
    random.seed(4)
    return random.getstate()

def test_fails():
    print("printed")
    logging.warning("logged")
    assert {"left": 1} == {"left": 2}

def test_skips():
    pytest.skip("for a reason")

def test_expects_to_fail():
    pytest.xfail("for another reason")

@pytest.mark.xfail(reason="a bug")
def test_marked(): assert not 1

@pytest.mark.xfail(reason="no bug", strict=True)
def test_unexpected(): pass

class Unpicklable(Exception):
    def __reduce__(self): raise TypeError

@pytest.mark.xfail(raises=KeyError, strict=True)
def test_raises_another(): raise Unpicklable("of its own")

@pytest.mark.xfail(raises=Unpicklable)
def test_raises_that(): raise Unpicklable("of its own")

def test_captures(capfd, caplog, seeded):
    print(1)
    assert capfd.readouterr().out.strip() == "1"
    logging.error("seen")
    assert caplog.messages == ["seen"] and random.getstate() == seeded

def test_warns(recwarn):
    warnings.warn("for recwarn")
    assert len(recwarn) == 1

def test_warns_pytest():
    warnings.warn("for pytest", FutureWarning)

class TestClass:
    @pytest.mark.parametrize("number", [1, 2])
    def test_numbers(self, number, tmp_path, monkeypatch):
        monkeypatch.setenv("NUMBER", str(number))
        assert number < 2

class TestCase(unittest.TestCase):
    def test_fails(self): self.assertEqual(1, 2)
    def test_skips(self): self.skipTest("for a reason")
    @unittest.expectedFailure
    def test_expected(self): assert not 1
    def test_parts(self):
        for part in range(3):
            with self.subTest(f"part {part}"):
                self.assertEqual(part, 1)
"""


def shown(result):
    """Return what a run shows of its tests, without times and addresses."""
    before, _, rest = result.stdout.str().partition("= cowmem =")
    text = before + rest[rest.find("= short test summary") :]
    text = re.sub(r"0x[0-9a-f]+|in \d+\.\d+s|pytest-\d+", "...", text)
    return [line.strip("=") for line in text.splitlines() if "reduce__" not in line]


def test_all_that_a_test_may_do_looks_as_without_cowmem(project, pytester):
    measured = project(ALL_THAT_A_TEST_MAY_DO, "-rA")
    plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    plain = pytester.runpytest_inprocess(*plugins, "-rA")
    assert "logged" in plain.stdout.str()
    assert shown(measured) == shown(plain)
    said = told(measured)
    assert said.count("not measured: ") == 6
    assert said.count("test_skips skipped itself") == 2
    assert "earlier attempt" not in said
    assert "::test_parts" not in said.partition("= cowmem =")[2].partition("short test summary")[0]


def test_hooks_and_teardown_see_the_report_whatever_a_hook_has_put_on_it(project, pytester):
    pytester.makeconftest(
        """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.odd = lambda: "what pickle does not have"
    setattr(item, "report_of_" + report.when, report)
    setattr(item, "raised_in_" + report.when, call.excinfo and call.excinfo.typename)
    return report
"""
    )
    result = project(
        f"""{BUDGET}
@pytest.fixture(autouse=True)
def failed(request):
    yield
    print(request.node.report_of_call.failed, request.node.raised_in_call)

def test_fails(): assert [] == ["of its own"]
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert * == ?'of its own'?", "True AssertionError"])


def test_each_report_is_heard_of_once_and_has_the_metrics_that_need_no_master(project, pytester):
    pytester.makeconftest(
        """
def pytest_runtest_logreport(report):
    with open("heard", "a") as file:
        print(report.when, getattr(report, "context", ""), file=file)
    if hasattr(report, "cowmem"):
        with open("metrics", "w") as file:
            print(*report.cowmem["measurement"]["values"], file=file)
"""
    )
    result = project(
        BUDGET
        + "from unittest import TestCase\n"
        + "class TestIt(TestCase):\n"
        + "    def test_it(self):\n"
        + "        with self.subTest('a part'): pass\n"
        + "        with self.subTest('another'): pass\n"
    )
    result.assert_outcomes(passed=1)
    heard = (pytester.path / "heard").read_text().splitlines()
    assert len(set(heard)) == len(heard) >= 3
    assert tuple((pytester.path / "metrics").read_text().split()) == OF_PLAIN_TESTS


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="came with pytest 9")
def test_a_test_is_measured_whose_part_skips_itself(project):
    result = project(
        BUDGET
        + "def test_it(subtests):\n"
        + "    with subtests.test('a part'): pytest.skip('for a reason')\n"
    )
    result.stdout.fnmatch_lines(["*::test_it * ok"])
    assert "not measured" not in result.stdout.str()


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="came with pytest 9")
def test_a_part_that_fails_fails_its_test(project):
    result = project(
        BUDGET
        + "def test_it(subtests):\n"
        + "    with subtests.test('a part'): assert False\n"
        + "    with subtests.test('another'): assert False\n"
    )
    result.stdout.fnmatch_lines(["contains 2 failed subtests"])


def test_a_body_has_its_own_filters_and_threads_warn_nobody_of_forks(project):
    result = project(
        f"""{BUDGET}
import threading, warnings

@pytest.fixture(scope="module")
def thread():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()

@pytest.mark.filterwarnings("error")
def test_it(thread):
    assert threading.active_count() == 1
    with pytest.raises(DeprecationWarning):
        warnings.warn("raised", DeprecationWarning)

def test_without_a_filter(thread): pass
"""
    )
    result.assert_outcomes(passed=2, warnings=0)


def test_what_a_fork_dies_of_is_named_and_the_next_test_runs(project):
    result = project(
        f"""{BUDGET}
import os, signal

def test_exits(): os._exit(3)

def test_dies(): os.kill(os.getpid(), signal.SIGSEGV)

def test_forks():
    if os.fork() == 0:
        signal.pause()

def test_lives(): pass
""",
        "-p",
        "no:faulthandler",
    )
    result.assert_outcomes(failed=3, passed=1)
    lines = (
        "the test's fork exited with code 3 while running *::test_exits",
        "the test's fork was killed by SIGSEGV while running *::test_dies",
        "the test's fork had 1 live forks of its own at its end, *",
    )
    result.stdout.fnmatch_lines(lines)


def test_what_only_a_worker_has_is_no_budget_of_a_plain_test(project):
    result = project("import pytest\n@pytest.mark.mem_budget(growth=1)\ndef test_it(): pass\n")
    result.assert_outcomes(errors=1)
    assert "growth is a worker's, and this test uses no cow_worker" in told(result)
    assert "there is no test" not in told(result)


def test_a_timeout_that_began_in_setup_ends_the_body_where_it_is(project):
    result = project(
        f"""{BUDGET}
import signal, time

@pytest.fixture
def due():
    signal.setitimer(signal.ITIMER_REAL, 0.5)  # pytest-timeout's own timer

@pytest.mark.timeout(600)
def test_it(due):
    time.sleep(60)  # here

@pytest.mark.timeout(600)
def test_left():
    assert 500 < signal.getitimer(signal.ITIMER_REAL)[0] < 600
"""
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines([">*time.sleep(60)  # here", "E * Timeout *"])
    assert "pytest_cowmem" not in result.stdout.str()


def test_where_strict_a_body_that_leaves_fails(project):
    test = BUDGET + (
        "import unittest\n"
        "def test_skips(): pytest.skip('for a reason')\n"
        "class TestCase(unittest.TestCase):\n"
        "    def test_skips(self): self.skipTest('for a reason')\n"
    )
    result = project(test, "--cowmem-strict")
    result.assert_outcomes(failed=2)
    said = "the test skipped itself (for a reason), so it was not measured"
    assert told(result).partition("= cowmem =")[0].count(said) == 2


@pytest.mark.parametrize(("ends", "code"), [("pytest.exit('enough', 7)", 7), ("exit = 1 / 0", 1)])
def test_what_ends_a_run_ends_it_from_the_fork_too(project, ends, code):
    result = project(f"{BUDGET}def test_ends():\n    {ends}\ndef test_next(): pass\n", "-x")
    assert result.ret == code
    assert "1 passed" not in result.stdout.str()


def test_what_was_recorded_for_junit_is_in_its_file(project, pytester):
    test = (
        BUDGET
        + "def test_it(record_property):\n    record_property('key', 'value')\n    print(1)\n"
    )
    project(test, "--junitxml=it.xml", "-o", "junit_logging=all", "-o", "junit_family=xunit1")
    case = ElementTree.parse(pytester.path / "it.xml").find(".//testcase")
    assert case is not None
    properties = [found.attrib for found in case.iter("property")]
    # The plugin's own figures stand beside it.
    own = [found for found in properties if not found["name"].startswith("cowmem_")]
    assert own == [{"name": "key", "value": "value"}]
    assert {"name": "cowmem_verdict", "value": "ok"} in properties
    assert "1" in "".join(case.itertext())


def test_a_debugger_has_the_body_in_pytests_own_process(project):
    test = f"{BUDGET}import os\nPID = os.getpid()\ndef test_it(): assert os.getpid() == PID\n"
    result = project(test, "--pdb")
    result.assert_outcomes(passed=1)
    assert "test_it ran in the pytest process, where a debugger reaches it" in told(result)


def test_only_what_is_measured_is_run_where_nothing_else_is_asked_for(project):
    test = "import pytest\n@pytest.mark.mem_budget()\ndef test_it(): pass\ndef test_other(): pass\n"
    project(test, "--cowmem-only").assert_outcomes(passed=1, deselected=1)


def test_the_entry_of_a_test_that_lost_its_worker_is_stale(project):
    worker = "import pytest\n@pytest.mark.mem_budget(private='9 MiB')\ndef test_it({}): pass\n"
    project(worker.format("cow_worker"), "--cowmem-update=new").assert_outcomes(passed=1)
    stale = "test_it is in the baseline, and nothing measures it any more"
    assert stale in told(project(worker.format("")))
