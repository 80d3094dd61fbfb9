"""The environment: what moves private bytes is matched, and the rest is only recorded."""

import re
import sys
from dataclasses import replace

import pytest
from records import FACTS

from pytest_cowmem.host import machine
from pytest_cowmem.host.machine import Build

HERE = machine.profile_key({})
LARGE = Build("cpython", (3, 15, 0), large_arenas=True)
ASKED = {"PYTHON_PYMALLOC_HUGEPAGES": "1"}


def test_a_profile_is_named_by_what_moves_private_bytes():
    version = re.escape(f"{sys.version_info.major}.{sys.version_info.minor}")
    libc, build = "(glibc|musl)", "(gil-pymalloc|free-threaded-mimalloc)"
    assert re.fullmatch(rf"linux-\w+-\d+-{libc}-cpython{version}d?-{build}", HERE)


@pytest.mark.parametrize(
    ("environ", "end"),
    [
        ({"PYTHONMALLOC": "malloc"}, "-malloc"),
        ({"PYTHONDEVMODE": "1"}, "-debug"),
        ({"LD_PRELOAD": "/usr/lib/libjemalloc.so.2"}, "+libjemalloc.so.2"),
        ({"LD_PRELOAD": "/b/two.so:/a/one.so"}, "+one.so+two.so"),
    ],
)
def test_another_allocator_is_another_profile(environ, end):
    key = machine.profile_key(environ)
    assert key != HERE
    assert key.endswith(end)


def words(build, environ):
    """The words of a key from the Python on."""
    return machine.profile_key(environ, build).split("-", 4)[4]


@pytest.mark.parametrize(
    ("build", "environ", "expected"),
    [
        (Build("cpython", (3, 13, 9)), {}, "cpython3.13-gil-pymalloc"),
        (Build("cpython", (3, 14, 0)), {}, "cpython3.14-gil-incremental-pymalloc"),
        (Build("cpython", (3, 14, 4)), {}, "cpython3.14-gil-incremental-pymalloc"),
        (Build("cpython", (3, 14, 5)), {}, "cpython3.14-gil-pymalloc"),
        (Build("cpython", (3, 15, 0)), {}, "cpython3.15-gil-pymalloc"),
        (Build("cpython", (3, 15, 0)), ASKED, "cpython3.15-gil-pymalloc"),
        (Build("cpython", (3, 13, 9), debug=True), {}, "cpython3.13d-gil-pymalloc"),
        (
            Build("cpython", (3, 14, 0), free_threaded=True),
            {},
            "cpython3.14-free-threaded-mimalloc",
        ),
        (LARGE, {}, "cpython3.15-gil-arenas2m-pymalloc"),
        (LARGE, ASKED, "cpython3.15-gil-hugepages-pymalloc"),
        (LARGE, {"PYTHON_PYMALLOC_HUGEPAGES": "0"}, "cpython3.15-gil-arenas2m-pymalloc"),
    ],
)
def test_a_build_that_departs_has_a_word_for_it(build, environ, expected):
    assert words(build, environ) == expected


def test_what_the_running_build_says_of_itself():
    build = Build.running()
    assert (build.name, build.version) == (sys.implementation.name, sys.version_info[:3])
    assert build.debug == hasattr(sys, "gettotalrefcount")
    assert build.free_threaded == (not getattr(sys, "_is_gil_enabled", lambda: True)())


def test_only_a_free_threaded_build_is_unverified():
    build = Build("cpython", (3, 15, 0), free_threaded=True)
    assert machine.unverified(build).endswith("its figures are unverified")
    assert machine.unverified(replace(build, free_threaded=False)) == ""


@pytest.mark.parametrize("name", ["HOME", "PATH", "PYTHONHASHSEED", "CI"])
def test_what_moves_nothing_is_not_matched(name):
    assert machine.profile_key({name: "x"}) == HERE


def test_what_is_recorded_beside_it():
    found = machine.describe(replace(FACTS, gc_speed=7))
    assert (found["aslr"], found["gc_speed"]) == ("off", 7)
    assert machine.describe(replace(FACTS, fixed_addresses=False))["aslr"] == "on"
    assert all(found.values())


def test_settings_of_the_kernel_as_it_writes_them(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    assert machine.transparent_huge_pages(setting) == "madvise"
    assert machine.transparent_huge_pages(tmp_path / "nowhere") == "unknown"
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: AMD EPYC 7B13\n")
    assert machine.cpu_model(tmp_path / "cpuinfo") == "AMD EPYC 7B13"
    assert machine.cpu_model(tmp_path / "nowhere")
