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
    "cowmem": "measure the tests that use cow_worker, and gate them",
    "cowmem_only": "run only the tests that use cow_worker (with --cowmem)",
    "cowmem_strict": "fail on what has no baseline, is missing, or when nothing was measured",
    "cowmem_explain": "say where every test's private bytes went, not only those that are over "
    "budget or regressed",
    "cowmem_prove": "plant a growing regression in each test's worker, to see what the gate "
    "catches",
}
# Options with a value: name, what argparse needs.
VALUES: dict[str, dict[str, Any]] = {
    "cowmem_update": {
        "nargs": "?",
        "const": "changed",
        "type": update_mode,
        "metavar": "MODE",
        "help": "accept into the baseline what is new, regressed or improved (changed, the "
        "default), only new tests, only lower values (tighten), or all",
    },
    "cowmem_baseline": {
        "metavar": "PATH",
        "help": "the baseline file (default: cowmem-baseline.json beside the config file)",
    },
    "cowmem_rounds": {
        "metavar": "N",
        "help": "rounds a test, each with a fresh worker (default: 3)",
    },
}
# Settings of the ini file: name, help text, type, default.
INI: tuple[tuple[str, str, Any, Any], ...] = (
    ("cowmem_app", "what to preload: module:attr or module:factory()", "string", ""),
    (
        "cowmem_baseline",
        "the baseline file, relative to the config file",
        "string",
        "cowmem-baseline.json",
    ),
    ("cowmem_rounds", "rounds a test", "string", "3"),
    (
        "cowmem_ratchet",
        "fail a test that improved, until the baseline is updated",
        "bool",
        False,
    ),
    (
        "cowmem_timeout",
        "seconds a request, or the app's import, may take before its process is killed",
        "string",
        "60",
    ),
    ("cowmem_tolerance", "one `metric = 2 % / 64 KiB` a line", "linelist", []),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and setting. Options default to None, which means "not given"."""
    group = parser.getgroup("cowmem", "private memory and GC pauses of forked workers")
    for name, effect in FLAGS.items():
        group.addoption(_spelled(name), action="store_true", default=None, help=effect)
        parser.addini(name, f"as {_spelled(name)}", type="bool", default=False)
    for name, argument in VALUES.items():
        group.addoption(_spelled(name), default=None, **argument)
    for name, effect, kind, default in INI:
        parser.addini(name, effect, type=kind, default=default)


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")


def enabled(config: pytest.Config) -> bool:
    """Whether this run measures."""
    return flag(config, "cowmem")


def refuse_idle_options(config: pytest.Config) -> None:
    """pytest.UsageError for an option that has no effect without --cowmem.

    A CI that lost the flag must not stay green.
    """
    for name in (*FLAGS, "cowmem_update"):
        if config.getoption(name) and not enabled(config):
            raise pytest.UsageError(f"{_spelled(name)} measures nothing on its own: add --cowmem")


def flag(config: pytest.Config, name: str) -> bool:
    """A yes-or-no setting: the command line's, else the ini file's."""
    given = config.getoption(name)
    return bool(config.getini(name) if given is None else given)
