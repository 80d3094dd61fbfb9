"""`cowmem doctor`: what it finds here, and its exit code where measuring is impossible."""

import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_cowmem.cli import doctor
from pytest_cowmem.host.machine import Build


def test_this_machine_can_measure():
    result = subprocess.run(
        [sys.executable, "-m", "pytest_cowmem.cli", "doctor"],
        capture_output=True,
        text=True,
        check=False,
    )
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


def test_a_debug_or_free_threaded_build_is_a_limit():
    plain = Build("cpython", (3, 14, 5))
    assert doctor.python_build(1, plain)[1] == "ok"
    assert doctor.python_build(1, replace(plain, debug=True))[1] == "limited"
    assert doctor.python_build(1, replace(plain, free_threaded=True))[0].endswith("free-threaded")


VERSION_1 = (
    "35 31 0:31 {top} /sys/fs/cgroup/memory rw,relatime shared:15 - cgroup cgroup rw,memory\n"
)
VERSION_2 = "41 31 0:38 {top} /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n34 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture
def machine(tmp_path):
    """A root folder with the control groups, the mounts and the limits it is told."""

    def make(groups, mounts, limits):
        files = {"proc/self/cgroup": groups, "proc/self/mountinfo": OTHERS + mounts}
        for path, text in (
            files | {f"sys/fs/cgroup/{name}": f"{limit}\n" for name, limit in limits.items()}
        ).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return make


HYBRID = "4:memory:/ci/job\n1:name=systemd:/\n0::/session\n"
NO_LIMIT_1 = 2**63 - 4096  # what version 1 writes where there is none


@pytest.mark.parametrize(
    ("groups", "mounts", "limits", "found"),
    [
        (
            "0::/ci/job\n",
            VERSION_2.format(top="/"),
            {"unified/ci/job/memory.max": 64 * 2**20},
            "64.0 MiB",
        ),
        (
            HYBRID,
            VERSION_2.format(top="/") + VERSION_1.format(top="/"),
            {"memory/ci/job/memory.limit_in_bytes": 2**26},
            "64.0 MiB",
        ),
        (
            HYBRID,
            VERSION_1.format(top="/ci/job"),
            {"memory/memory.limit_in_bytes": 2**26},
            "64.0 MiB",
        ),
        (
            "0::/ci/job\n",
            VERSION_2.format(top="/"),
            {
                "unified/ci/job/memory.max": "max",
                "unified/ci/job/memory.high": 2**27,
                "unified/ci/memory.max": 2**26,
            },
            "64.0 MiB",
        ),
        (
            "0::/ci/job\n",
            VERSION_2.format(top="/"),
            {"unified/ci/job/memory.max": 2**27, "unified/ci/job/memory.high": 2**26},
            "64.0 MiB",
        ),
        (
            HYBRID,
            VERSION_1.format(top="/other"),
            {"memory/memory.limit_in_bytes": 2**26},
            "unknown",
        ),
        ("0::/../job\n", VERSION_2.format(top="/"), {"unified/memory.max": 2**26}, "unknown"),
        (HYBRID, "", {}, "unknown"),
    ],
    ids=[
        "v2",
        "hybrid",
        "v1 in a container",
        "around",
        "high",
        "elsewhere",
        "outside",
        "not mounted",
    ],
)
def test_a_memory_limit_is_found_and_named(machine, groups, mounts, limits, found):
    text, verdict = doctor.cgroup_limit(1, machine(groups, mounts, limits))
    assert text.startswith(found)
    assert verdict == "limited"


@pytest.mark.parametrize(
    ("groups", "mounts", "limits"),
    [
        ("0::/ci/job\n", VERSION_2.format(top="/"), {"unified/ci/job/memory.max": "max"}),
        (
            HYBRID,
            VERSION_1.format(top="/"),
            {
                "memory/ci/job/memory.limit_in_bytes": NO_LIMIT_1,
                "unified/session/memory.max": 2**26,
            },
        ),
        ("2:cpu,cpuacct:/\n", "", {}),
    ],
    ids=["v2", "hybrid", "no controller"],
)
def test_no_memory_limit_is_fine(machine, groups, mounts, limits):
    assert doctor.cgroup_limit(1, machine(groups, mounts, limits)) == ("none", "ok")


def test_a_kernel_without_control_groups_has_no_limit(tmp_path):
    assert doctor.cgroup_limit(1, tmp_path) == ("none", "ok")
