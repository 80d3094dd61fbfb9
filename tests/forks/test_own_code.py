"""Whose line is charged: what wrappers pass on is not theirs, and the user says what is his."""

import os
import shutil
from contextlib import closing

import pytest
import records
from explaining import explain
from folders import APPS

from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.metrics import OF_PRIVATE
from pytest_cowmem.report.reasons import reasons

WRAPPERS = APPS / "wrappers.py"
LINES = WRAPPERS.read_text().splitlines()
KEPT = 1_000_000


def marked(name):
    """The number of the line that ends in `# name`."""
    (number,) = [at for at, line in enumerate(LINES, 1) if line.endswith(f"# {name}")]
    return number


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with the wrappers; the shops and a module are installed within it."""
    root = tmp_path_factory.mktemp("project")
    installed = root / "env" / "site-packages"
    installed.mkdir(parents=True)
    shutil.copy(WRAPPERS, root)
    shutil.copy(APPS / "flask_shop.py", installed)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(APPS / "django_shop", installed / "django_shop", ignore=ignored)
    return root


@pytest.fixture
def explained(folder, measure, tmp_path):
    """`explained(target, own=(), body=browse)` explains a worker of the wrapped app."""
    paths = [str(folder / "env" / "site-packages"), *os.environ.get("PYTHONPATH", "").split(":")]
    env = {
        "PYTHONPATH": ":".join(filter(None, paths)),
        "DJANGO_SHOP_DB": str(tmp_path / "shop.sqlite3"),
    }

    def run(target, own=(), body=browse):
        with closing(Zygotes(folder, [], 60, own)) as zygotes:
            zygote = zygotes.get(App(target, env=env))
            return explain(measure, zygote, body, folder)

    return run


def browse(client):
    """The first request keeps a megabyte in each wrapper, and all others nothing."""
    client.post("/json", json={"numbers": [1, 2]})
    client.get("/find/a")
    client.burst("GET", "/find/b", times=300)


def sizes(why, *places):
    """The bytes of the lines of the wrappers that are marked by these names."""
    rows = {line.line: line.bytes for line in why.lines if line.path == "wrappers.py"}
    return [rows.get(marked(place), 0) for place in places]


@pytest.mark.parametrize(
    ("target", "kept", "passing", "library"),
    [
        (
            "wrappers:wrapped",
            ("keeps in wrapper", 2 * KEPT),
            ["passes on in wrapper", "passes on in decorator"],
            "werkzeug",
        ),
        (
            "wrappers:site()",
            ("keeps in middleware", KEPT),
            ["passes on in middleware", "passes on in function"],
            "django",
        ),
    ],
)
def test_a_wrapper_is_charged_for_what_it_does_and_not_for_what_it_passes_on(
    explained, target, kept, passing, library
):
    why = explained(target)
    place, size = kept
    assert sizes(why, place)[0] == pytest.approx(size, rel=0.1)
    assert {line.path for line in why.lines if line.path} == {"wrappers.py"}
    assert max(sizes(why, *passing)) < OF_PRIVATE.absolute
    charged = {line.module: line for line in why.lines if not line.path}
    assert charged[library].bytes > 64 * 1024
    assert charged[library].beside[0][0].startswith(f"{library}/")
    assert 0.9 <= why.share <= 1.1


@pytest.mark.parametrize(
    ("target", "own", "paths"),
    [
        ("wrappers:wrapped", ["flask_shop"], {"flask_shop.py"}),
        ("wrappers:site()", ["wrappers", "django_shop"], {"wrappers.py", "django_shop/urls.py"}),
    ],
)
def test_what_is_named_is_the_users_own_and_nothing_else(explained, target, own, paths):
    why = explained(target, own)
    assert {line.path for line in why.lines if line.bytes and line.path} == paths
    assert sum(line.bytes for line in why.lines if line.path) > 64 * 1024


def test_the_libraries_beneath_a_line_stand_behind_it(explained):
    why = explained("wrappers:wrapped", body=lambda client: client.call("wrappers:parse"))
    line, *libraries = reasons(records.record(), why).parts[:3]
    assert line.line == marked("two libraries")
    assert {it.place for it in libraries} == {"- (re)", "- (json)"}
    assert 0.8 * line.bytes < sum(it.bytes for it in libraries) <= line.bytes


def test_a_misspelt_name_is_told_and_the_zygote_goes_on(measure):
    with closing(Zygotes(APPS, [], 60, ["bare", "shop_commen"])) as zygotes:
        zygote = zygotes.get(App("bare:quiet"))
        for _ in range(2):
            with pytest.raises(CannotMeasure) as raised:
                TracedRound(zygote, 60, 1)
            assert str(raised.value) == (
                "cowmem_own names 'shop_commen', a module that cannot be found: "
                "correct the name, or add its folder to pythonpath"
            )
        assert measure(zygote, lambda client: client.get("/")).requests == 1
