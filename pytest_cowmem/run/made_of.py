"""Tell what the tests of a run are made of. Runs in a pytest process of its own, which runs none.

`python -m pytest_cowmem.run.made_of FILE [pytest arguments]` writes a MadeOf into the file as JSON.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pytest_cowmem.model.made_of import MadeOf


class Collecting:
    """Notes what pytest collects, and what the items name, before any of them is left out."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._files: set[str] = set()
        self._targets: set[str] = set()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        files = [one.path for one in report.result if isinstance(one, pytest.File)]
        self._files.update(str(path) for path in files if path.is_file())

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        for marker in item.iter_markers("cow_app"):
            self._targets.update(name for name in marker.args[:1] if isinstance(name, str))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        config = session.config
        conftests = {path for path in _loaded(config) if Path(path).name == "conftest.py"}
        app = config.getini("cowmem_app")
        told = MadeOf(
            root=str(config.rootpath),
            config=str(config.inipath or ""),
            files=tuple(sorted(self._files | conftests)),
            folders=tuple(_folders(config)),
            patterns=tuple(config.getini("python_files")),
            pythonpath=tuple(
                str(config.rootpath / folder) for folder in config.getini("pythonpath")
            ),
            targets=tuple(sorted(self._targets | ({app} if app else set()))),
        )
        self._file.write_text(json.dumps(asdict(told)), encoding="utf-8")


def _loaded(config: pytest.Config) -> Iterator[str]:
    """The files of the plugins."""
    for plugin in config.pluginmanager.get_plugins():
        file = getattr(plugin, "__file__", None)
        if isinstance(file, str):
            yield file


def _folders(config: pytest.Config) -> Iterator[str]:
    """The folders that the command line, or else `testpaths`, names."""
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        if path.is_dir():
            yield str(path.resolve())


if __name__ == "__main__":
    _, into, *arguments = sys.argv
    options = ["--collect-only", "--quiet"]
    sys.exit(pytest.main([*arguments, *options], plugins=[Collecting(Path(into))]))
