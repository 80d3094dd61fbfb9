"""Writes each test's outcome and record, one JSON value a line. Runs in the pytest process.

It reads the record from pytest's report, as pytest-cowmem hands it over, and imports nothing of it.
"""

import json


def pytest_addoption(parser):
    parser.addoption("--records", help="the file to append to")


def pytest_configure(config):
    config.pluginmanager.register(Recorder(config.option.records))


class Recorder:
    """Appends a line for each test, and for each fixture or file that failed."""

    def __init__(self, path):
        self._path = path

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.failed:
            self._write(report)

    def pytest_collectreport(self, report):
        if report.failed:
            self._write(report)

    def _write(self, report):
        text = f"{report.longreprtext}\n\n{report.capstderr}".rstrip() if report.failed else ""
        record = vars(report).get("cowmem")
        line = {"test": report.nodeid, "failed": report.failed, "text": text, "record": record}
        with open(self._path, "a") as file:
            print(json.dumps(line), file=file)
