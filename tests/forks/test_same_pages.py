"""Equal inputs give equal pages.

Cold starts agree, forks of one zygote agree, and it does not matter if the app was just compiled.
"""

import os
import shutil
from contextlib import closing

import pytest
from folders import APPS

from pytest_cowmem.host import procfs
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.zygote import process

COLD_STARTS = 10
FORKS = 10


def browse(client):
    """A scenario that reads shared objects, allocates and lets the collector run."""
    for _ in range(5):
        assert client.get("/feed").status_code == 200
    client.burst("GET", "/find/x?q=y", times=50)


def cold(measure, app, folder=APPS):
    """Measure one round of a zygote of its own: (private pages, the zygote's facts)."""
    with closing(Zygotes(folder, [], 60)) as zygotes:
        zygote = zygotes.get(app)
        return measure(zygote, browse).values["private"] // procfs.PAGE, zygote.facts


def check_equal(found):
    """Check that all cold starts gave the same pages; skip where addresses are random."""
    if not all(facts.fixed_addresses for _, facts in found):
        pytest.skip("address randomisation cannot be turned off here")
    pages = [pages for pages, _ in found]
    assert len(set(pages)) == 1, pages


def test_addresses_are_fixed_in_the_zygote_alone(zygotes):
    before = process.addresses_are_fixed()
    with process.fixed_addresses():
        allowed = process.addresses_are_fixed()
    assert zygotes.get(App("bare:quiet")).facts.fixed_addresses == allowed
    assert process.addresses_are_fixed() == before


def test_cold_starts_agree_to_the_page(measure):
    check_equal([cold(measure, App("flask_shop:app")) for _ in range(COLD_STARTS)])


@pytest.mark.parametrize(
    ("target", "scenario"),
    [("flask_shop:app", browse), ("bare:busy", lambda client: client.get("/read"))],
    ids=["flask", "bare"],
)
def test_forks_of_one_zygote_agree(zygotes, measure, target, scenario):
    zygote = zygotes.get(App(target))
    measure(zygote, scenario)  # the first may compile what a request imports
    values = [measure(zygote, scenario).values for _ in range(FORKS)]
    pages = [found["private"] // procfs.PAGE for found in values]
    assert all(abs(later - pages[0]) <= 3 for later in pages), pages


@pytest.fixture
def written_bytecode():
    """Let Python write bytecode, whatever the environment of this run says."""
    before = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    yield
    if before is not None:
        os.environ["PYTHONDONTWRITEBYTECODE"] = before


@pytest.mark.usefixtures("written_bytecode")
def test_a_start_that_compiles_agrees_with_one_that_does_not(measure, tmp_path):
    """The app changes its environment and folder as it is imported; no other start may see that."""
    shutil.copy(APPS / "flask_shop.py", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "shop_in_data.py").write_text(
        "import os\n"
        "assert 'SHELF' not in os.environ\n"
        "os.environ['SHELF'] = 'x' * 3000\n"
        "os.chdir('data')\n"
        "from flask_shop import app\n"
    )
    found = [cold(measure, App("shop_in_data:app"), tmp_path) for _ in range(3)]
    assert list((tmp_path / "__pycache__").glob("flask_shop.*.pyc"))
    check_equal(found)


@pytest.mark.usefixtures("written_bytecode")
def test_prepare_runs_once_also_after_a_start_that_compiles(tmp_path):
    (tmp_path / "compiled_app.py").write_text(
        "from bare import quiet as app\n"
        "def note():\n"
        "    with open('prepared', 'a') as file:\n"
        "        file.write('once')\n"
    )
    with closing(Zygotes(tmp_path, [str(APPS)], 60)) as zygotes:
        zygotes.get(App("compiled_app:app", prepare="compiled_app:note"))
    assert list((tmp_path / "__pycache__").glob("compiled_app.*.pyc"))
    assert (tmp_path / "prepared").read_text() == "once"
