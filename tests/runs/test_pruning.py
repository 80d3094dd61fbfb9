"""An update removes the entries of tests that are known to be gone, and no other entry."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("untraced")

TWO = """
def test_kept(cow_worker):
    cow_worker.get("/")
def test_other(cow_worker):
    cow_worker.get("/")
"""
BOTH = ["test_it.py::test_kept", "test_it.py::test_other"]


@pytest.fixture
def update(project, pytester):
    """`update(*args)` runs the project, its files as they are, with --cowmem-update."""

    def run(*args, **files):
        for name, text in files.items():
            pytester.makepyfile(**{name: text})
        return project("", *args, "--cowmem-update", no_reraise_ctrlc=True)

    return run


@pytest.fixture
def entries(pytester):
    """`entries()` lists the tests in the project's baseline."""

    def read():
        text = (pytester.path / "cowmem-baseline.json").read_text()
        (profile,) = json.loads(text)["profiles"].values()
        return sorted(profile["tests"])

    return read


BAD_CLASS = """
import pytest
def test_kept(cow_worker):
    cow_worker.get("/")
class TestIt:
    @pytest.mark.parametrize("number", 1)
    def test_other(self, cow_worker, number):
        cow_worker.get("/")
"""


def test_a_class_that_cannot_be_collected_keeps_its_entries(update, entries):
    update(test_it=BAD_CLASS.replace("1)", "[1])"))
    before = entries()
    for option in ("-q", "--continue-on-collection-errors", "-x"):
        update(option, test_it=BAD_CLASS)
        assert entries() == before, option


DROP = """
import pytest
@pytest.hookimpl({})
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.name != "test_other"]
    {}
"""
MAKE_NOTHING = """
def pytest_pycollect_makeitem(name):
    return [] if name == "test_other" else None
"""
IGNORE = """
def pytest_ignore_collect(collection_path):
    return True if collection_path.name == "test_it.py" else None
"""


LEAVE_OUT = (
    DROP.format("", ""),
    DROP.format("tryfirst=True", ""),
    DROP.format("tryfirst=True, wrapper=True", "return (yield)"),
    MAKE_NOTHING,
    IGNORE,
)


def test_what_a_conftest_leaves_out_keeps_its_entry(update, entries):
    update(test_it=TWO)
    for conftest in LEAVE_OUT:
        update(conftest=conftest)
        assert entries() == BOTH, conftest


def test_a_test_that_another_environment_defines_keeps_its_entry(update, entries):
    update(test_it=TWO)
    update(test_it=TWO.replace("def test_other", "if 0:\n  def test_other"))
    assert entries() == BOTH
    update(test_it=TWO.replace("def test_other", "# def test_other\ndef no_test"))
    assert entries() == BOTH[:1]


INTERRUPTED = """
def test_kept(cow_worker):
    {}
def test_{}(cow_worker):
    cow_worker.get("/")
"""


def test_an_interrupted_run_removes_nothing(update, entries):
    update(test_it=TWO)
    for how in ("raise KeyboardInterrupt", "import pytest; pytest.exit('now')"):
        update(test_it=INTERRUPTED.format(how, "renamed"))
        assert entries() == BOTH, how


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_a_run_that_stops_at_its_first_failure_removes_no_test_that_is_there(
    update, entries, workers
):
    update(test_it=TWO)
    update("-x", *workers, test_it=INTERRUPTED.format("assert 0", "other"))
    assert entries() == BOTH


@pytest.fixture
def folder(pytester):
    """A folder with a test file, below the project's root."""
    folder = pytester.mkdir("sub")
    (folder / "test_sub.py").write_text(TWO)
    return folder


SUB = ["sub/test_sub.py::test_kept", "sub/test_sub.py::test_other"]
RELATIVE = ["test_sub.py::test_kept", "test_sub.py::test_other"]


def test_a_run_from_another_root_removes_nothing(update, entries, folder):
    update(test_it=TWO)
    assert entries() == [*SUB, *BOTH]
    update("--rootdir=sub", "sub")
    assert entries() == [*SUB, *BOTH, *RELATIVE]
    update()
    assert entries() == [*SUB, *BOTH, *RELATIVE]


def test_a_root_above_removes_nothing(update, entries, folder):
    update("--rootdir=sub", "sub")
    assert entries() == RELATIVE
    update("--ignore=sub")
    assert entries() == RELATIVE
    update()
    assert entries() == [*SUB, *RELATIVE]


def test_a_baseline_that_two_roots_share_keeps_the_entries_of_both(update, entries, pytester):
    for name in ("one", "two"):
        (pytester.mkdir(name) / f"test_{name}.py").write_text(TWO)
        update(f"--rootdir={name}", name)
    assert [test.partition("::")[0] for test in entries()] == ["test_one.py"] * 2 + [
        "test_two.py"
    ] * 2


def test_a_file_that_is_gone_has_stale_entries_wherever_it_was(update, entries, folder):
    update(test_it=TWO)
    (folder / "test_sub.py").rename(folder / "test_new.py")
    update("test_it.py")
    assert entries() == BOTH
