"""Options, made into one frozen Settings. Runs in the pytest process."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from pytest_cowmem.files.report import check_writable
from pytest_cowmem.judge.budget import parse_tolerance_lines
from pytest_cowmem.model import capacity, document_text, units
from pytest_cowmem.model.app import App, is_policy
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.errors import wrong_and_right
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.metrics import Tolerance
from pytest_cowmem.options import flag, given
from pytest_cowmem.report.files import dumps_for

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do. `path` holds absolute folders, `timeout` is in seconds.

    `base` is the commit whose code the baseline has, where `cowmem against` measured it.
    `reports` are the files that the run is to be written into. `own` names the modules whose code
    is the user's own; none are named for those of the app. `ci` says that it is for CI, where
    nobody looks at what is new, and `cowmem_strict` not written.
    """

    base: Commit | None
    baseline: Path
    ci: bool
    explain: bool
    host_memory: int | None
    invocation: Invocation
    only: bool
    own: Sequence[str]
    path: Sequence[str]
    prove: bool
    ratchet: bool
    reports: Sequence[Path]
    rootdir: Path
    rounds: int
    strict: bool
    timeout: float
    tolerances: Mapping[str, Tolerance]
    update: str | None
    what_if: bool
    what_if_gc: Sequence[str]

    @property
    def host(self) -> int:
        """Bytes that a host has for a master and its workers."""
        return self.host_memory or capacity.HOST

    @classmethod
    def from_config(cls, config: pytest.Config) -> "Settings":
        """Read them; the command line wins over the ini file. UsageError for an invalid value."""
        if target := config.getini("cowmem_app"):
            App(target).checked()  # a misspelt one ends the run before any test starts
        return cls(
            base=_base(config),
            baseline=_baseline(config),
            ci=given(config, "cowmem_strict") is None and in_ci(os.environ),
            explain=flag(config, "cowmem_explain"),
            host_memory=_size(config, "cowmem_host_memory"),
            invocation=_invocation(config),
            only=flag(config, "cowmem_only"),
            own=_modules(config, "cowmem_own"),
            path=[str(config.rootpath / folder) for folder in config.getini("pythonpath")],
            prove=flag(config, "cowmem_prove"),
            ratchet=config.getini("cowmem_ratchet"),
            reports=_reports(config),
            rootdir=config.rootpath,
            rounds=_number(config, "cowmem_rounds", int),
            strict=flag(config, "cowmem_strict"),
            timeout=_number(config, "cowmem_timeout", float),
            tolerances=parse_tolerance_lines(config.getini("cowmem_tolerance")),
            update=config.getoption("cowmem_update"),
            what_if=flag(config, "cowmem_what_if"),
            what_if_gc=_thresholds(config, "cowmem_what_if_gc"),
        )


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether a CI service started this run: it sets CI."""
    return environ.get("CI", "").lower() not in ("", "0", "false")


def _base(config: pytest.Config) -> Commit | None:
    against = config.getoption("cowmem_against")
    return Commit(against[1]) if against else None


def _baseline(config: pytest.Config) -> Path:
    """The baseline file: an option is relative to where pytest was run, a setting to its file."""
    option: str | None = config.getoption("cowmem_baseline")
    if option:
        return config.invocation_params.dir / option
    folder = config.inipath.parent if config.inipath else config.rootpath
    return folder / str(config.getini("cowmem_baseline"))


def _reports(config: pytest.Config) -> Sequence[Path]:
    """The files that reports are written into. UsageError for one that could not be."""
    paths: list[str] = config.getoption("cowmem_report") or []
    reports = [config.invocation_params.dir / path for path in paths]
    for path in reports:
        check_writable(path)
    return reports


def _modules(config: pytest.Config, name: str) -> Sequence[str]:
    """The modules that a setting names. UsageError for what is no module's name."""
    modules: list[str] = config.getini(name)
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            problem = f"{name} names modules, each in a line or a string of its own"
            raise wrong_and_right(
                problem, f"{name} = {module}", f'{name} = ["shop", "shop_common"]'
            )
    return modules


def _thresholds(config: pytest.Config, name: str) -> Sequence[str]:
    """The triples that a setting has. UsageError for what are no thresholds."""
    triples: list[str] = config.getini(name)
    for triple in triples:
        if not (is_policy(triple) and triple.count(",") == 2):
            problem = f"{name} has three thresholds of the collector in each line or string"
            raise wrong_and_right(problem, f"{name} = {triple}", f'{name} = ["50000,20,100"]')
    return [triple.replace(" ", "") for triple in triples]


def _size(config: pytest.Config, name: str) -> int | None:
    """A size of memory, None where none is set. UsageError for anything else, and for nothing."""
    text = config.getini(name)
    if not text:
        return None
    right = f'{name} = "4 GiB"'
    try:
        size = units.parse(text, "bytes")
    except ValueError as error:
        raise wrong_and_right(str(error), f"{name} = {text}", right) from None
    if not size:
        raise wrong_and_right("a host without memory holds nothing", f"{name} = {text}", right)
    return size


def _invocation(config: pytest.Config) -> Invocation:
    """How pytest was called."""
    option = config.option
    words = [*config.args] if config.args_source is pytest.Config.ArgsSource.ARGS else []
    for letter, value in (("-k", option.keyword), ("-m", option.markexpr)):
        words += [letter, value] if value else []
    if config.getoption("lf", False):
        words.append("--lf")
    folder = os.path.relpath(config.rootpath, config.invocation_params.dir)
    if against := config.getoption("cowmem_against"):
        return Invocation(tuple(words), folder, against=against[0])
    baseline = config.getoption("cowmem_baseline") or ""
    return Invocation(tuple(words), folder, baseline, _accepted_from(config))


def _accepted_from(config: pytest.Config) -> str:
    """The JSON report that a run of a CI service writes, "" where there is none."""
    paths: list[str] = config.getoption("cowmem_report") or []
    kept = (path for path in paths if dumps_for(path) is document_text.dumps)
    return next(kept, "") if in_ci(os.environ) else ""


def _number(config: pytest.Config, name: str, kind: type[Number]) -> Number:
    """A positive number from the command line, else from the ini file. UsageError for any other."""
    option = config.getoption(name, None)
    text = config.getini(name) if option is None else option
    try:
        value = kind(text)
        if not 0 < value < 10**9:
            raise ValueError
    except ValueError:
        problem = f"{name} is a positive number"
        raise wrong_and_right(problem, f"{name} = {text}", f"{name} = 3") from None
    return value
