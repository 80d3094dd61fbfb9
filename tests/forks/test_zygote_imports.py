"""Before it imports the app, the zygote holds the standard library and the plugin's own zygote side, and nothing else."""

import sys

from pytest_cowmem.model.app import App

# setuptools' distutils-precedence.pth runs when the interpreter starts, on every start of every Python it is installed in.
FROM_PTH_FILES = {"_distutils_hack"}


def strangers(modules):
    return {
        name
        for name in modules
        if name.partition(".")[0] not in {*sys.stdlib_module_names, *FROM_PTH_FILES, "__main__"}
        and name != "pytest_cowmem"
        and name != "pytest_cowmem.zygote"
        and not name.startswith("pytest_cowmem.zygote.")
    }


def test_the_zygote_imports_the_standard_library_only(zygotes):
    zygote = zygotes.get(App("flask_shop:app"))
    assert strangers(zygote.facts.harness) == set()
    assert "pytest_cowmem.zygote.master" in zygote.facts.harness


def test_the_zygote_never_imports_the_hosts_side(zygotes, talk):
    zygote = zygotes.get(App("bare:quiet"))
    with talk(zygote) as client:
        client.get("/")
        assert client.call("bare:add", 1) == 1
        assert strangers(client.call("bare:modules")) == {"bare"}
    assert strangers(zygotes.get(App("flask_shop:app")).facts.modules) >= {"flask", "werkzeug"}


def test_the_imports_it_can_do_without_are_not_there(zygotes):
    heavy = {
        "asyncio",
        "subprocess",
        "http.client",
        "json",
        "logging",
        "threading",
        "inspect",
        "tempfile",
        "email",
        "ssl",
    }
    assert heavy & set(zygotes.get(App("bare:quiet")).facts.harness) == set()
