"""`cowmem doctor`: what it finds here, and its exit code where measuring is impossible."""

import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_cowmem.cli import doctor
from pytest_cowmem.host.machine import Build


def test_this_machine_can_measure():
    command = [sys.executable, "-m", "pytest_cowmem.cli", "doctor"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "this machine can measure" in result.stdout
    for name in (
        "smaps_rollup",
        "pagemap",
        "personality",
        "THP",
        "cgroup",
        "Python",
    ):
        assert name in result.stdout


def test_every_row_names_a_cost_and_a_mend_for_where_it_lacks():
    assert not [check.name for check in doctor.CHECKS if not (check.cost and check.mend)]


def raising(pid):
    raise PermissionError


def test_a_fatal_lack_exits_with_1_and_a_limit_does_not():
    look = doctor.readable(raising, "impossible without")
    fatal = doctor.Check("smaps_rollup", look, "no private", "mount /proc")
    look = doctor.readable(raising, "limited")
    limited = doctor.Check("pagemap", look, "no copied", "use another kernel")
    text, code = doctor.report([fatal, limited], 1)
    assert code == 1
    assert "measuring is impossible" in text
    text, code = doctor.report([limited], 1)
    assert code == 0
    assert "pagemap: no copied; use another kernel" in text


def test_huge_pages_handed_out_unasked_are_a_limit(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("[always] madvise never\n")
    assert doctor.huge_pages(1, setting) == ("always", "limited")
    setting.write_text("always [madvise] never\n")
    assert doctor.huge_pages(1, setting) == ("madvise", "ok")


def test_byte_code_that_cannot_be_written_is_a_limit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert doctor.byte_code(0) == ("writable", "ok")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert doctor.byte_code(0)[1] == "limited"


@pytest.mark.parametrize(
    ("actions", "grade"),
    [("kill_process errno user_notif allow", "ok"), ("errno allow", "limited")],
)
def test_a_kernel_that_does_not_tell_of_forks_is_a_limit(tmp_path, actions, grade):
    assert doctor.notifications(0, tmp_path) == ("no notifications", "limited")
    folder = tmp_path / "sys/kernel/seccomp"
    folder.mkdir(parents=True)
    (folder / "actions_avail").write_text(f"{actions}\n")
    assert doctor.notifications(0, tmp_path)[1] == grade


def test_a_debug_or_free_threaded_build_is_a_limit():
    plain = Build("cpython", (3, 14, 5))
    assert doctor.python_build(1, plain)[1] == "ok"
    assert doctor.python_build(1, replace(plain, debug=True))[1] == "limited"
    assert doctor.python_build(1, replace(plain, free_threaded=True))[0].endswith("free-threaded")


OTHERS = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "34 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
)


def version_1(top):
    """Return the mount of version 1's memory controller whose root is the group `top`."""
    return (
        f"35 31 0:31 {top} /sys/fs/cgroup/memory rw,relatime shared:15 - cgroup cgroup rw,memory\n"
    )


def version_2(top):
    """Return the mount of version 2's hierarchy whose root is the group `top`."""
    return f"41 31 0:38 {top} /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.fixture
def machine(tmp_path):
    """`machine(groups, mounts, limits)` makes a root folder with these control groups."""

    def make(groups, mounts, limits):
        files = {"proc/self/cgroup": groups, "proc/self/mountinfo": OTHERS + mounts}
        for name, limit in limits.items():
            files[f"sys/fs/cgroup/{name}"] = f"{limit}\n"
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return make


V2 = "0::/ci/job\n"
HYBRID = "4:memory:/ci/job\n1:name=systemd:/\n0::/session\n"
NO_LIMIT_1 = 2**63 - 4096  # what version 1 writes where there is none
IN_V1, IN_V2 = "memory/ci/job/memory.limit_in_bytes", "unified/ci/job/memory"


@pytest.mark.parametrize(
    ("groups", "mounts", "limits"),
    [
        (V2, version_2("/"), {f"{IN_V2}.max": 2**26}),
        (HYBRID, version_2("/") + version_1("/"), {IN_V1: 2**26}),
        (HYBRID, version_1("/ci/job"), {"memory/memory.limit_in_bytes": 2**26}),
        (
            V2,
            version_2("/"),
            {f"{IN_V2}.max": "max", f"{IN_V2}.high": 2**27, "unified/ci/memory.max": 2**26},
        ),
        (V2, version_2("/"), {f"{IN_V2}.max": 2**27, f"{IN_V2}.high": 2**26}),
    ],
    ids=["v2", "hybrid", "v1 in a container", "around", "high"],
)
def test_a_memory_limit_is_found_and_named(machine, groups, mounts, limits):
    text, verdict = doctor.cgroup_limit(1, machine(groups, mounts, limits))
    assert text.startswith("64.0 MiB")
    assert verdict == "limited"


@pytest.mark.parametrize(
    ("groups", "mounts", "limits"),
    [
        (HYBRID, version_1("/other"), {"memory/memory.limit_in_bytes": 2**26}),
        ("0::/../job\n", version_2("/"), {"unified/memory.max": 2**26}),
        (HYBRID, "", {}),
    ],
    ids=["elsewhere", "outside", "not mounted"],
)
def test_a_memory_limit_out_of_sight_is_unknown(machine, groups, mounts, limits):
    assert doctor.cgroup_limit(1, machine(groups, mounts, limits)) == ("unknown", "limited")


@pytest.mark.parametrize(
    ("groups", "mounts", "limits"),
    [
        (V2, version_2("/"), {f"{IN_V2}.max": "max"}),
        (HYBRID, version_1("/"), {IN_V1: NO_LIMIT_1, "unified/session/memory.max": 2**26}),
        ("2:cpu,cpuacct:/\n", "", {}),
    ],
    ids=["v2", "hybrid", "no controller"],
)
def test_no_memory_limit_is_fine(machine, groups, mounts, limits):
    assert doctor.cgroup_limit(1, machine(groups, mounts, limits)) == ("none", "ok")


def test_a_kernel_without_control_groups_has_no_limit(tmp_path):
    assert doctor.cgroup_limit(1, tmp_path) == ("none", "ok")
