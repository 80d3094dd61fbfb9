"""The public face: four names, loaded when they are first asked for."""

import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version

import pytest

import pytest_cowmem
from pytest_cowmem import App, CowWorker, Explanation, __version__


def test_the_public_names_are_those_of_their_modules():
    assert App.__module__ == "pytest_cowmem.model.app"
    assert CowWorker.__module__ == "pytest_cowmem.host.client"
    assert Explanation.__module__ == "pytest_cowmem.model.explanation"
    assert __version__ == version("pytest-cowmem")


def test_every_name_in_all_can_be_had_and_no_other():
    assert [getattr(pytest_cowmem, name) for name in pytest_cowmem.__all__]
    with pytest.raises(AttributeError, match="module 'pytest_cowmem' has no attribute 'nothing'"):
        _ = pytest_cowmem.nothing


def test_a_name_loads_only_what_it_is():
    code = "import sys; from pytest_cowmem import App; print(*sorted(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "pytest_cowmem.model.app" in loaded
    assert not {"httpx2", "pytest_cowmem.host", "pytest_cowmem.zygote"} & {*loaded}


def test_no_value_can_be_changed_but_what_a_run_collects():
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(pytest_cowmem.__path__, "pytest_cowmem.")
        if not module.name.endswith(".__main__")
    ]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    changing = {cls for cls in classes if not vars(cls)["__dataclass_params__"].frozen}
    assert {cls.__name__ for cls in changing} == {"Collected", "Outcomes", "Scenario"}
