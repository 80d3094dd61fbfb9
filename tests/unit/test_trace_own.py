"""Where the app's own code lies: named modules, found without importing them."""

import importlib
import sys

import pytest

from pytest_cowmem.zygote.trace.own import own_roots


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to import from: a package, a module, and a package in one without __init__.py."""
    for name in ("acme_common/__init__.py", "acme_single.py", "acme/billing/__init__.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit\n")
    (tmp_path / "acme_loaded.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("acme_loaded", None)


NAMES = {
    "acme_common": "acme_common",
    "acme_single": "acme_single.py",
    "acme": "acme",
    "acme.billing": "acme/billing",
}


def test_a_module_is_found_and_not_imported(folder):
    for name, place in NAMES.items():
        assert own_roots([name], [], "shop:app") == [str(folder / place)]
        assert name not in sys.modules
    assert own_roots(NAMES, ["/srv/shop"], "shop:app") == [
        str(folder / it) for it in NAMES.values()
    ]


def test_a_module_that_is_loaded_is_where_it_was_loaded_from(folder, monkeypatch):
    acme_loaded = importlib.import_module("acme_loaded")

    monkeypatch.setattr(acme_loaded, "__file__", "/srv/elsewhere.py")
    assert own_roots(["acme_loaded"], [], "shop:app") == ["/srv/elsewhere.py"]


@pytest.mark.parametrize("name", ["acme_commen", "acme.sales", "acme_single.inner", "sys"])
def test_a_module_without_a_place_is_named(folder, name):
    with pytest.raises(LookupError) as raised:
        own_roots(["acme_common", name], ["/srv/shop"], "shop:app")
    assert raised.value.args == (name,)


def test_all_on_the_path_and_the_apps_package_are_own_where_none_is_named(folder):
    path = ["/srv/shop", "/srv/lib"]
    assert own_roots([], path, "acme.billing.wsgi:app") == [*path, str(folder / "acme")]
    assert own_roots([], path, "no_such_module:app") == path
