"""Equal inputs give equal pages: cold start after cold start, fork after fork, and whether or not the app was just compiled."""

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
    """(private bytes, facts) of one round of a zygote of its own."""
    with closing(Zygotes(folder, [], 60)) as zygotes:
        zygote = zygotes.get(app)
        return measure(zygote, browse).values["private"], zygote.facts


def test_addresses_are_fixed_in_the_zygote_alone(zygotes):
    before = process.addresses_are_fixed()
    with process.fixed_addresses():
        allowed = process.addresses_are_fixed()
    assert zygotes.get(App("bare:quiet")).facts.fixed_addresses == allowed
    assert process.addresses_are_fixed() == before


def test_cold_starts_agree_to_the_page(measure):
    found = [cold(measure, App("flask_shop:app")) for _ in range(COLD_STARTS)]
    if not all(facts.fixed_addresses for _, facts in found):
        pytest.skip("address randomisation cannot be turned off here")
    assert len({private for private, _ in found}) == 1, [
        private // procfs.PAGE for private, _ in found
    ]


@pytest.mark.parametrize("target", ["flask_shop:app", "bare:busy"])
def test_forks_of_one_zygote_agree(zygotes, measure, target):
    zygote = zygotes.get(App(target))
    found = [
        measure(
            zygote, browse if target == "flask_shop:app" else lambda client: client.get("/read")
        )
        for _ in range(FORKS)
    ]
    private = [sample.values["private"] for sample in found]
    assert all(abs(later - private[0]) <= 3 * procfs.PAGE for later in private), [
        bytes_ // procfs.PAGE for bytes_ in private
    ]


@pytest.fixture
def written_bytecode():
    """Let Python write bytecode, whatever the environment of this run says."""
    before = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    yield
    if before is not None:
        os.environ["PYTHONDONTWRITEBYTECODE"] = before


@pytest.mark.usefixtures("written_bytecode")
def test_a_start_that_compiles_agrees_with_one_that_does_not(measure, tmp_path):
    """The app also changes its environment and its folder as it is imported, which must not reach the second start."""
    shutil.copy(APPS / "flask_shop.py", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "shop_in_data.py").write_text(
        "import os\nassert 'SHELF' not in os.environ\nos.environ['SHELF'] = 'x' * 3000\nos.chdir('data')\nfrom flask_shop import app\n"
    )
    found = [cold(measure, App("shop_in_data:app"), tmp_path) for _ in range(3)]
    assert list((tmp_path / "__pycache__").glob("flask_shop.*.pyc"))
    if not all(facts.fixed_addresses for _, facts in found):
        pytest.skip("address randomisation cannot be turned off here")
    assert len({private for private, _ in found}) == 1, [
        private // procfs.PAGE for private, _ in found
    ]


@pytest.mark.usefixtures("written_bytecode")
def test_prepare_runs_once_also_after_a_start_that_compiles(tmp_path):
    (tmp_path / "compiled_app.py").write_text(
        "from bare import quiet as app\n\ndef note():\n    with open('prepared', 'a') as file:\n        file.write('once')\n"
    )
    with closing(Zygotes(tmp_path, [str(APPS)], 60)) as zygotes:
        zygotes.get(App("compiled_app:app", prepare="compiled_app:note"))
    assert list((tmp_path / "__pycache__").glob("compiled_app.*.pyc"))
    assert (tmp_path / "prepared").read_text() == "once"
