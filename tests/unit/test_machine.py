"""The environment: what moves private bytes is matched, and the rest is only recorded."""

import re
import sys

import pytest

from pytest_cowmem.host import machine

HERE = machine.profile_key({})


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


def test_a_debug_build_is_another_profile(monkeypatch):
    monkeypatch.setattr(sys, "gettotalrefcount", lambda: 0, raising=False)
    assert "d-gil" in machine.profile_key({}) or "d-free" in machine.profile_key({})


@pytest.mark.parametrize("name", ["HOME", "PATH", "PYTHONHASHSEED", "CI"])
def test_what_moves_nothing_is_not_matched(name):
    assert machine.profile_key({name: "x"}) == HERE


def test_what_is_recorded_beside_it():
    found = machine.describe({"fixed_addresses": True, "gc_speed": 7})
    assert (found["aslr"], found["gc_speed"]) == ("off", 7)
    assert machine.describe({"fixed_addresses": False, "gc_speed": 7})["aslr"] == "on"
    assert all(found.values())


def test_settings_of_the_kernel_as_it_writes_them(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    assert machine.transparent_huge_pages(setting) == "madvise"
    assert machine.transparent_huge_pages(tmp_path / "nowhere") == "unknown"
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: AMD EPYC 7B13\n")
    assert machine.cpu_model(tmp_path / "cpuinfo") == "AMD EPYC 7B13"
    assert machine.cpu_model(tmp_path / "nowhere")
