"""The options and their ini twins, one row of a table each. Runs in every pytest process."""

import argparse
from typing import Any

import pytest

UPDATES = ("changed", "new", "tighten", "all")


def update_mode(text: str) -> str:
    """One of UPDATES; the error shows the way where a path was taken for one."""
    if text not in UPDATES:
        modes = ", ".join(UPDATES)
        raise argparse.ArgumentTypeError(
            f"{text!r} is no mode ({modes}): "
            "put paths before the option, or write --cowmem-update=changed"
        )
    return text


# Yes-or-no options, with an ini twin each: name, help text.
FLAGS = {
    "cowmem": "measure the tests that use cow_worker or have a budget, and gate them",
    "cowmem_only": "run only the tests that are measured (with --cowmem)",
    "cowmem_strict": "fail on what has no baseline (the default where CI is set), is missing, or "
    "when nothing was measured",
    "cowmem_explain": "say where every test's private bytes went, not only those that are red",
    "cowmem_what_if": "replay each measured test under other policies, and say what they win back",
    "cowmem_prove": "plant a growing regression in each test's worker, to see what is caught",
}
# Settings of the ini file: name, type, default, help text.
INI: tuple[tuple[str, Any, Any, str], ...] = (
    ("cowmem_app", "string", "", "what to preload: module:attr or module:factory()"),
    ("cowmem_baseline", "string", "cowmem-baseline.json", "the file, relative to the config's"),
    ("cowmem_rounds", "string", "3", "rounds a test"),
    ("cowmem_ratchet", "bool", False, "fail a test that improved, until the baseline is updated"),
    ("cowmem_timeout", "string", "60", "seconds a request, or the app's import, may take"),
    ("cowmem_tolerance", "linelist", [], "one `metric = 2 % / 64 KiB` a line"),
    ("cowmem_host_memory", "string", "", "what a host has for a master and its workers: 4 GiB"),
    (
        "cowmem_what_if_gc",
        "linelist",
        [],
        "one triple of thresholds a line to try, as 50000,20,100",
    ),
    ("cowmem_own", "linelist", [], "one module a line whose code explanations take for yours"),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and setting. Options default to None, which means "not given"."""
    group = parser.getgroup("cowmem", "private memory and GC pauses of forked workers")
    for name, effect in FLAGS.items():
        group.addoption(_spelled(name), action="store_true", default=None, help=effect)
        parser.addini(name, f"as {_spelled(name)}", type="bool", default=None)
    group.addoption(
        "--cowmem-update",
        nargs="?",
        const="changed",
        type=update_mode,
        metavar="MODE",
        help="accept into the baseline what is new, regressed or improved (changed, the default), "
        "only new tests, only lower values (tighten), or all",
    )
    where = "the baseline file (default: cowmem-baseline.json beside the config file)"
    group.addoption("--cowmem-baseline", metavar="PATH", help=where)
    rounds = "rounds a test, each with a fresh worker (default: 3)"
    group.addoption("--cowmem-rounds", metavar="N", help=rounds)
    suffixes = ".json, .md, .html and others"
    report = f"write the run into a file, whose suffix says how: {suffixes}; may be given again"
    group.addoption("--cowmem-report", metavar="PATH", action="append", help=report)
    # What `cowmem against` says of the baseline: the commit's name, and its hash.
    group.addoption("--cowmem-against", nargs=2, help=argparse.SUPPRESS)
    for name, kind, default, effect in INI:
        parser.addini(name, effect, type=kind, default=default)


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")


def enabled(config: pytest.Config) -> bool:
    """Whether this run measures."""
    return flag(config, "cowmem")


def refuse_idle_options(config: pytest.Config) -> None:
    """pytest.UsageError for an option without --cowmem: a CI that lost it must not stay green."""
    for name in (*FLAGS, "cowmem_update", "cowmem_report"):
        if config.getoption(name) and not enabled(config):
            raise pytest.UsageError(f"{_spelled(name)} measures nothing on its own: add --cowmem")


def flag(config: pytest.Config, name: str) -> bool:
    """A yes-or-no setting: the command line's, else the ini file's."""
    return bool(given(config, name))


def given(config: pytest.Config, name: str) -> bool | None:
    """The same, None where neither says anything."""
    option: bool | None = config.getoption(name)
    setting: bool | None = config.getini(name)
    return setting if option is None else option
