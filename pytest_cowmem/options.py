"""The options and their ini twins, declared. Runs in the pytest process, in every run: it imports pytest alone."""

import argparse

import pytest

FLAGS = {
    "cowmem": "measure the tests that use cow_worker, and gate them",
    "cowmem_only": "run only the tests that use cow_worker (with --cowmem)",
    "cowmem_strict": "fail on what has no baseline, is missing, or when nothing was measured",
    "cowmem_explain": "say where every test's private bytes went, not only those that are over budget or regressed",
    "cowmem_prove": "plant a growing regression in each test's worker, to see what the gate catches",
}
UPDATES = ("changed", "new", "tighten", "all")


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini twin; options default to None, so that "not given" can be told from a value."""
    group = parser.getgroup("cowmem", "private memory and GC pauses of forked workers")
    for name, effect in FLAGS.items():
        option = "--" + name.replace("_", "-")
        group.addoption(option, action="store_true", default=None, help=effect)
        parser.addini(name, f"as {option}", type="bool", default=False)
    group.addoption(
        "--cowmem-update",
        nargs="?",
        const="changed",
        type=update_mode,
        metavar="MODE",
        default=None,
        help="accept into the baseline what is new, regressed or improved (changed, the default), "
        "only new tests, only lower values (tighten), or all",
    )
    group.addoption(
        "--cowmem-baseline",
        metavar="PATH",
        default=None,
        help="the baseline file (default: cowmem-baseline.json beside the config file)",
    )
    group.addoption(
        "--cowmem-rounds",
        metavar="N",
        default=None,
        help="rounds a test, each with a fresh worker (default: 3)",
    )
    parser.addini("cowmem_app", "what to preload: module:attr or module:factory()", default="")
    parser.addini(
        "cowmem_baseline",
        "the baseline file, relative to the config file",
        default="cowmem-baseline.json",
    )
    parser.addini("cowmem_rounds", "rounds a test", default="3")
    parser.addini(
        "cowmem_ratchet",
        "fail a test that improved, until the baseline is updated",
        type="bool",
        default=False,
    )
    parser.addini(
        "cowmem_timeout",
        "seconds a request, or the app's import, may take before its process is killed",
        default="60",
    )
    parser.addini(
        "cowmem_tolerance", "one `metric = 2 % / 64 KiB` a line", type="linelist", default=[]
    )


def enabled(config: pytest.Config) -> bool:
    """Whether this run measures."""
    return flag(config, "cowmem")


def update_mode(text: str) -> str:
    """One of UPDATES; an error that shows the way where a path was taken for one."""
    if text not in UPDATES:
        modes = ", ".join(UPDATES)
        raise argparse.ArgumentTypeError(
            f"{text!r} is no mode ({modes}): put paths before the option, or write --cowmem-update=changed"
        )
    return text


def refuse_idle_options(config: pytest.Config) -> None:
    """pytest.UsageError for an option that has no effect without --cowmem: a CI that lost the flag must not stay green."""
    given = [
        name
        for name in ("explain", "only", "prove", "strict", "update")
        if config.getoption(f"cowmem_{name}")
    ]
    if given and not enabled(config):
        raise pytest.UsageError(f"--cowmem-{given[0]} measures nothing on its own: add --cowmem")


def flag(config: pytest.Config, name: str) -> bool:
    """A yes-or-no setting: the command line's, else the ini file's."""
    given = config.getoption(name)
    return bool(config.getini(name) if given is None else given)
