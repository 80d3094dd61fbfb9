"""`cowmem doctor`: what it finds here, and its exit code where measuring is impossible."""

import subprocess
import sys

from pytest_cowmem import doctor


def test_this_machine_can_measure():
    result = subprocess.run([sys.executable, "-m", "pytest_cowmem.cli", "doctor"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "this machine can measure" in result.stdout
    for name in ("smaps_rollup", "pagemap", "/proc/PID/mem", "personality", "THP", "ptrace scope", "cgroup", "Python"):
        assert name in result.stdout


def test_every_finding_that_can_be_bad_says_what_its_lack_costs():
    silent = {finding.name for finding in doctor.examine() if not finding.lack and not finding.good}
    assert not silent


def raising():
    raise PermissionError


def test_a_fatal_lack_exits_with_1_and_a_limit_does_not():
    fatal = doctor.needed("smaps_rollup", raising, "private", fatal=True)
    limited = doctor.needed("pagemap", raising, "copied", fatal=False)
    assert doctor.report([fatal]) == (doctor.report([fatal])[0], 1)
    assert "measuring is impossible" in doctor.report([fatal])[0]
    text, code = doctor.report([limited])
    assert code == 0
    assert "pagemap: needed for copied" in text


def test_ptrace_scope_and_huge_pages_are_read(tmp_path):
    setting = tmp_path / "scope"
    setting.write_text("2\n")
    assert not doctor.ptrace_scope(setting).good
    setting.write_text("1\n")
    assert doctor.ptrace_scope(setting).good
    setting.write_text("[always] madvise never\n")
    assert not doctor.huge_pages(setting).good
