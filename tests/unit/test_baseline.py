"""The baseline file: it is read back as written, it diffs well, and a broken one is refused."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.files import baseline as baseline_file
from pytest_cowmem.files.baseline import check_writable, load, rewrite
from pytest_cowmem.model.baseline import Baseline, Entry, Profile
from pytest_cowmem.model.baseline_text import dumps, loads
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.metrics import METRICS

texts = st.text(st.characters(codec="utf-8"), max_size=12)
amounts = st.integers(0, 2**63)
costs = st.integers(-(2**63), 2**63)  # a worker may give back what it had when it was ready
metrics = st.sampled_from([*METRICS, "of a later version"])
modules = st.dictionaries(texts, amounts, max_size=3)


@st.composite
def entries(draw):
    """Any entry: some of its metrics differ between layouts."""
    figures = draw(st.dictionaries(metrics, costs, max_size=4))
    of_pages = [name for name in figures if name not in METRICS or METRICS[name].of_pages]
    varied = [name for name in of_pages if draw(st.booleans())]
    first, deviation = ({name: draw(of) for name in varied} for of in (costs, amounts))
    layouts = draw(st.integers(1, 9))
    source, gc, layout = (draw(texts) for _ in range(3))
    return Entry(figures, source, gc, layout, layouts, first, deviation, draw(modules))


profiles = st.builds(
    Profile,
    environment=st.dictionaries(texts, texts | amounts, max_size=3),
    tests=st.dictionaries(texts, entries(), max_size=3),
    reference=st.dictionaries(metrics, amounts, max_size=3),
)
baselines = st.builds(Baseline, st.dictionaries(texts, profiles, max_size=3))

ENTRY = Entry({"private": 4096}, "abc", "default", "0")
ONE = Baseline({"linux": Profile({"python": "3.13.0"}, {"test_a.py::test_x": ENTRY})})


@given(baselines)
def test_what_is_written_is_read_back(baseline):
    text = dumps(baseline)
    assert loads(text) == baseline
    assert dumps(loads(text)) == text


@given(st.text())
def test_any_text_is_a_baseline_or_a_usage_error(text):
    try:
        loads(text)
    except UsageError:
        return
    assert json.loads(text)["format"] in (1, 2)


def test_one_figure_a_line_sorted_and_a_newline_at_the_end():
    lines = dumps(ONE).splitlines(keepends=True)
    assert all(line.endswith("\n") for line in lines)
    assert all(line.count("{") <= 1 for line in lines)
    keys = [line.split('"')[1] for line in lines if line.startswith(" " * 10 + '"')]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", '"format" is None'),
        ('{"format": 3, "profiles": {}}', "format 3, and this version reads up to 2: upgrade"),
        ('{"format": 0, "profiles": {}}', '"format" is 0'),
        ('{"format": 1}', "restore it from git"),
        ('{"format": 2}', "restore it from git"),
        ('{"format": true, "profiles": {}}', '"format" is True'),
        ('<<<<<<< HEAD\n{"format": 1}\n=======\n>>>>>>> other\n', "merge conflict markers"),
        (dumps(ONE).replace("4096", "4096.5"), "in test_a.py::test_x, private is 4096.5, not int"),
        (dumps(ONE).replace("4096", "9" * 400), "test_x, private has more than 64 bits"),
        (dumps(ONE).replace("4096", '{"mean": 1, "sd": -1}'), "of private is below zero"),
        (
            dumps(ONE).replace('"source"', '"modules": ["a"], "source"'),
            "in test_a.py::test_x, modules is ['a'], not an object",
        ),
        (dumps(ONE).replace('"tests"', '"reference"'), "'tests' is missing"),
        (dumps(ONE).replace("4096", '{"mean": 1, "extra": 1}'), "unknown key 'extra'"),
        (dumps(ONE).replace("4096", '{"mean": 1, "sd": true}'), "sd is True, not int or NoneType"),
        (dumps(ONE).replace("4096", '{"sd": 1}'), "missing 1 required positional argument: 'mean'"),
        (
            dumps(ONE).replace(', "source": "abc"', ""),
            "missing 1 required positional argument: 'source'",
        ),
        (dumps(ONE).replace('"source": "abc"', '"later": 1'), "unknown key 'later'"),
        (dumps(ONE).replace('"conditions"', '"others"'), "others has the unknown key"),
        (dumps(ONE).replace('"3.13.0"', "3.13"), "python is 3.13, not str or int"),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_cause(text, words):
    with pytest.raises(UsageError) as caught:
        loads(text, "b.json")
    assert words in str(caught.value)
    assert "b.json" in str(caught.value)


FIRST_FORMAT = {
    "format": 1,
    "profiles": {
        "linux": {
            "environment": {"gc_speed": 1733561, "python": "3.13.0"},
            "tests": {
                "test_a.py::test_x": {
                    "gc": "default: on, 700 10 10, 0 frozen",
                    "layout": "67223b241dc14656",
                    "metrics": {"private": 4096, "growth": 7},
                    "modules": {"flask": 4096},
                    "rounds": 3,
                    "source": "abc",
                    "spread": {"private": 0},
                }
            },
        }
    },
}


def test_the_first_format_is_read_as_one_layout_and_written_anew():
    baseline = loads(json.dumps(FIRST_FORMAT))
    entry = baseline.profiles["linux"].tests["test_a.py::test_x"]
    assert entry == Entry(
        {"private": 4096},
        "",
        "default: on, 700 10 10",
        "67223b241dc14656",
        layouts=1,
        modules={"flask": 4096},
    )
    assert json.loads(dumps(baseline))["format"] == 2
    assert loads(dumps(baseline)) == baseline


def test_each_figure_of_an_entry_is_one_line():
    entry = replace(
        ENTRY,
        metrics={"private": 4096, "gc_pause": 1000, "gc_collections": 1, "gc_collections_2": 1},
        first={"private": 0},
        deviation={"private": 1024},
        modules={"flask": 4096, "abc": 1},
    )
    text = dumps(Baseline({"linux": Profile({}, {"t": entry})}))
    assert text.splitlines()[6:13] == [
        '        "t": {',
        '          "conditions": {"gc": "default", "layout": "0", "source": "abc"},',
        '          "gc_collections": {"2": 1, "all": 1},',
        '          "gc_pause": 1000,',
        '          "modules": {"abc": 1, "flask": 4096},',
        '          "private": {"first": 0, "mean": 4096, "sd": 1024}',
        "        }",
    ]


TWO_TESTS = {"test_a.py::test_x": ENTRY, "test_a.py::test_y": ENTRY}
TWO = Baseline({"linux": Profile({"python": "3.13.0"}, TWO_TESTS), "other": Profile()})


@pytest.mark.parametrize(
    ("key", "becomes"),
    [
        ("other", "linux"),
        ("test_a.py::test_y", "test_a.py::test_x"),
        ("tests", "environment"),
        ("gc", "layout"),
        ("profiles", "format"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_by_name(key, becomes):
    """As after a merge that kept a line of both sides; json itself would take the last."""
    text = dumps(TWO)
    assert loads(text) == TWO
    with pytest.raises(UsageError) as caught:
        loads(text.replace(f'"{key}": ', f'"{becomes}": '), "b.json")
    assert f"the baseline b.json has {becomes!r} twice" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"environment": {}', '"test_a.py::test_z": {}, "environment": {}'),
        ('"format"', '"a": 1, "format"'),
    ],
)
def test_what_a_merge_put_in_the_wrong_place_is_refused_and_not_dropped(before, after):
    with pytest.raises(UsageError, match=r"unknown key '(test_a.py::test_z|a)'"):
        loads(dumps(TWO).replace(before, after))


def test_an_absent_file_is_an_empty_baseline_and_a_folder_is_an_error(tmp_path):
    assert load(tmp_path / "none.json") == Baseline()
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)


def put(path, baseline):
    """Write a whole baseline."""
    rewrite(path, lambda _: baseline)


def test_writing_replaces_the_file_whole_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "b.json"
    path.write_text(dumps(Baseline()))
    path.chmod(0o600)
    put(path, ONE)
    assert load(path) == ONE
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    refused = r"b\.json cannot be written \(No such file or directory\)"
    with pytest.raises(UsageError, match=refused):
        put(tmp_path / "none" / "b.json", ONE)


def test_a_write_that_fails_leaves_the_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "baseline.json"
    put(path, ONE)

    def fails(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(UsageError, match=r"cannot be written \(Read-only file system\)"):
        put(path, Baseline())
    assert load(path) == ONE
    assert [*tmp_path.iterdir()] == [path]


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "b.json", tmp_path / "b.json"
    link.symlink_to(target)
    check_writable(link)
    for baseline in (ONE, Baseline()):
        put(link, baseline)
        assert link.is_symlink()
        assert load(target) == load(link) == baseline
    assert [*target.parent.iterdir()] == [target]


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path):
    path = tmp_path / "b.json"
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"cannot be read \(it is not a regular file\)"):
        load(path)
    with pytest.raises(UsageError, match=r"cannot be read \(it is not a regular file\)"):
        put(path, ONE)
    assert path.is_fifo()


ADD_TWENTY = """
import sys
from pathlib import Path
from pytest_cowmem.model.baseline import Profile
from pytest_cowmem.files.baseline import rewrite

for number in range(20):
    key = f"{sys.argv[2]} {number}"
    rewrite(Path(sys.argv[1]), lambda found: found.with_profile(key, Profile()))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "b.json"
    command = [sys.executable, "-c", ADD_TWENTY, str(path)]
    writers = [subprocess.Popen([*command, str(writer)]) for writer in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    assert len(load(path).profiles) == 4 * 20
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_stays_locked_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline_file, "_LOCK_SECONDS", 0)
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another process has locked its folder"):
        put(tmp_path / "b.json", ONE)
    os.close(held)
    put(tmp_path / "b.json", ONE)


def test_a_file_system_without_locks_on_folders_is_written_to(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(errno.EBADF, "as NFS does")

    monkeypatch.setattr(fcntl, "flock", refuses)
    put(tmp_path / "b.json", ONE)
    assert load(tmp_path / "b.json") == ONE
