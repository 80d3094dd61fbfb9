"""Before it imports the app, the zygote holds the standard library and its own side only."""

import functools
import subprocess
import sys

from pytest_cowmem.model.app import App


@functools.cache
def loaded_by_python_itself():
    """What this interpreter has loaded before any program, and with two modules the zygote needs.

    Before any program, it has a distribution's `sitecustomize`, and what .pth files import:
    setuptools' distutils-precedence.pth, for one. With ctypes and traceback, 3.14 has threading
    and inspect too, and 3.15 may have `_missing_stdlib_info`, which a distribution adds.
    """
    program = "import sys, ctypes, traceback; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return frozenset(printed.stdout.decode().split())


def strangers(modules):
    mine = ("pytest_cowmem", "pytest_cowmem.zygote")
    return {
        name
        for name in set(modules) - loaded_by_python_itself()
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name not in mine
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
    harness = set(zygotes.get(App("bare:quiet")).facts.harness)
    assert heavy & harness - loaded_by_python_itself() == set()
