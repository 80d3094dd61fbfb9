"""Every start is alike: the app's environment is whole, and where its objects lie is settled."""

import os
import shutil
import statistics
import subprocess
import sys
from contextlib import closing

import pytest
from folders import APPS, ROOT

from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.zygote import start

VARIABLES = {
    b"SHELF": b"a",
    b"EMPTY": b"",
    b"WITH_SIGN": b"a=b=c",
    b"LINES_OF_IT": b"one\ntwo",
    b"LATIN": b"gr\xf6\xdfer",
    b"gr\xf6\xdfe": b"42",
    b"LONG": b"x" * 100_000,
}
GET = "flask_shop:app"
MIB = 2**20


@pytest.fixture
def shelf(monkeypatch):
    """Variables of all kinds in this process, and no others that depend on who runs the tests."""
    for name in set(os.environb) - {b"PATH", b"HOME", b"LANG"}:
        monkeypatch.delitem(os.environb, name)
    for name, value in VARIABLES.items():
        monkeypatch.setitem(os.environb, name, value)


def usual(zygotes):
    """The variables, in their order, that a program started here finds, and the app's folder."""
    program = "import os, sys; sys.stdout.buffer.write(ascii(list(os.environb.items())).encode())"
    folder = f"{zygotes._folder.name}/00000001"
    environ = {**os.environ, "PYTHONHASHSEED": "0", "COWMEM_FOLDER": folder}
    del environ["PYTEST_CURRENT_TEST"]
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, check=True
    )
    return eval(printed.stdout, {"__builtins__": {}})


def private_pages(measure, root, seed=0):
    """Private pages of a round of a new zygote, and the zygote."""
    with closing(Zygotes(root, [str(APPS)], 60)) as zygotes:
        zygote = zygotes._in_layout(App(GET), seed)
        sample = measure(zygote, lambda client: [client.get(url) for url in ("/feed", "/find/it")])
        return sample.values["private"] // PAGE, sample, zygote


def test_the_app_finds_the_usual_environment(shelf, fresh_zygotes, talk):
    with talk(fresh_zygotes.get(App("surroundings:app"))) as client:
        found, folder = client.call("surroundings:found")
        assert found == usual(fresh_zygotes)
        assert folder == str(APPS)


def test_c_and_children_have_the_same_environment(shelf, fresh_zygotes, talk):
    with talk(fresh_zygotes.get(App("surroundings:app"))) as client:
        assert client.call("surroundings:of_a_child") == {
            **dict(usual(fresh_zygotes)),
            b"LEFT_BY_THE_IMPORT": b"1",
        }
        for name, value in VARIABLES.items():
            assert client.call("surroundings:told_by_c", name) == value


def test_the_environment_can_be_changed(shelf, fresh_zygotes, talk):
    with talk(fresh_zygotes.get(App("surroundings:app"))) as client:
        for name, value in ((b"SHELF", None), (b"LATIN", b"b"), (b"HOME", None), (b"NEW", b"c")):
            client.call("surroundings:change", name, value)
            assert client.call("surroundings:told_by_c", name) == value
            assert client.call("surroundings:of_a_child").get(name) == value


def test_a_locale_that_python_sets_itself_stays(shelf, monkeypatch, fresh_zygotes, talk):
    monkeypatch.setenv("LANG", "C")
    with talk(fresh_zygotes.get(App("surroundings:app"))) as client:
        found, _ = client.call("surroundings:found")
        assert found == usual(fresh_zygotes)
        assert (b"LC_CTYPE", b"C.UTF-8") in found


def test_a_second_start_finds_the_usual_environment_too(shelf, tmp_path, talk):
    shutil.copy(APPS / "surroundings.py", tmp_path)  # is compiled, and so starts twice
    with (
        closing(Zygotes(tmp_path, [], 60)) as zygotes,
        talk(zygotes.get(App("surroundings:app"))) as client,
    ):
        assert client.call("surroundings:found") == (usual(zygotes), str(tmp_path))


def test_environment_and_files_in_the_root_do_not_move_the_figures(measure, monkeypatch, tmp_path):
    private_pages(measure, tmp_path)  # compiles
    found = [private_pages(measure, tmp_path)[0]]
    for number in (1, 40, 300):
        for index in range(number):
            monkeypatch.setenv(f"VARIABLE_{index}", "x" * (index * 37 % 500))
            (tmp_path / f"file-{index}").touch()
        found.append(private_pages(measure, tmp_path)[0])
    assert max(found) - min(found) <= 4, found


def test_equal_seeds_are_equal_layouts(measure, tmp_path):
    private_pages(measure, tmp_path)  # compiles
    found = []
    for seed in (0, 1, 1, 2):
        pages, _, zygote = private_pages(measure, tmp_path, seed)
        found.append((zygote.facts.layout, pages, zygote.facts.ballast))
        assert zygote.facts.ballast < 8 * MIB
    assert found[1] == found[2]
    assert len({layout for layout, _, _ in found}) == 3
    assert len({ballast for _, _, ballast in found}) == 3


def test_what_is_kept_for_a_layout_is_in_no_figure(measure, tmp_path):
    private_pages(measure, tmp_path)  # compiles
    _, plain, zygote = private_pages(measure, tmp_path)
    seeded = [private_pages(measure, tmp_path, seed) for seed in range(1, 5)]
    for _, _, other in seeded:
        assert other.facts.ballast - zygote.facts.ballast > 200 * 1024
        assert abs(other.size - zygote.size) < 64 * 1024
    for metric in ("private", "uss", "gc_full"):
        mean = statistics.mean(sample.values[metric] for _, sample, _ in seeded)
        # A layout's noise is 40 to 60 KiB.
        assert abs(mean - plain.values[metric]) < 200 * 1024, metric


@pytest.mark.parametrize("allocator", ["malloc", "debug"])
def test_another_allocator_is_left_alone(allocator, zygotes, talk):
    zygote = zygotes._in_layout(App("bare:quiet", env={"PYTHONMALLOC": allocator}), 0)
    assert zygote.facts.ballast == 0
    with talk(zygote) as client:
        assert client.get("/").text == "ok"


def test_a_heap_that_does_not_grow_at_its_top_is_left_alone(zygotes, talk):
    usual = zygotes.get(App("bare:quiet")).size
    zygote = zygotes.get(App("bare:quiet", env={"MALLOC_MMAP_THRESHOLD_": "1000"}))
    assert abs(zygote.size - usual) < 4 * MIB
    with talk(zygote) as client:
        assert client.get("/").text == "ok"


def test_without_glibc_the_heap_is_left_alone():
    program = """if True:
        import ctypes
        find = ctypes.CDLL.__getattr__
        def without(library, name):
            if name == "malloc_trim":
                raise AttributeError(name)
            return find(library, name)
        ctypes.CDLL.__getattr__ = without
        from pytest_cowmem.zygote import start
        assert not start._has_glibc
        assert start.settle() > 0
    """
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["PYTHON", "PYTHON_VERSION", "PYTHON_SHA256", "FOO"])
def test_what_no_interpreter_reads_comes_later(name):
    assert not start.read_at_exec(name)


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHON_GIL", "PYTHONMALLOC", "LD_PRELOAD", "TZ"])
def test_what_the_interpreter_reads_is_there_when_it_is_executed(name):
    assert start.read_at_exec(name)
