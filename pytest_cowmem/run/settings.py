"""Options, made into one frozen Settings. Runs in the pytest process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_cowmem.judge.budget import parse_tolerance_lines
from pytest_cowmem.model.app import App, check_module_exists
from pytest_cowmem.model.errors import wrong_and_right
from pytest_cowmem.model.metrics import Tolerance
from pytest_cowmem.options import flag


@dataclass(frozen=True)
class Settings:
    """What a run was asked to do. `timeout` is in seconds, `path` holds absolute folders, `update` is a mode or None."""

    app: App | None
    baseline: Path
    explain: bool
    only: bool
    path: Sequence[str]
    prove: bool
    ratchet: bool
    rootdir: Path
    rounds: int
    strict: bool
    timeout: float
    tolerances: Mapping[str, Tolerance]
    update: str | None

    @classmethod
    def from_config(cls, config: pytest.Config) -> "Settings":
        """Read them; the command line wins over the ini file. UsageError for a value that cannot be meant."""
        beside = (config.inipath or config.rootpath / "pytest.ini").parent
        path = [str(config.rootpath / folder) for folder in config.getini("pythonpath")]
        target = config.getini("cowmem_app")
        app = App(target) if target else None
        if app is not None:
            check_module_exists(app.target, [str(config.rootpath), *path])
        given = config.getoption("cowmem_baseline")
        return cls(
            app=app,
            baseline=config.invocation_params.dir / given
            if given
            else beside / config.getini("cowmem_baseline"),
            explain=flag(config, "cowmem_explain"),
            only=flag(config, "cowmem_only"),
            path=path,
            prove=flag(config, "cowmem_prove"),
            ratchet=config.getini("cowmem_ratchet"),
            rootdir=config.rootpath,
            rounds=_number(config, "cowmem_rounds", int),
            strict=flag(config, "cowmem_strict"),
            timeout=_number(config, "cowmem_timeout", float),
            tolerances=parse_tolerance_lines(config.getini("cowmem_tolerance")),
            update=config.getoption("cowmem_update"),
        )


def _number(config: pytest.Config, name: str, kind: Callable[[Any], Any]) -> Any:
    option = config.getoption(name, None)
    text = config.getini(name) if option is None else option
    try:
        value = kind(text)
        if not 0 < value < 10**9:
            raise ValueError
    except ValueError:
        raise wrong_and_right(
            f"{name} is a positive number", f"{name} = {text}", f"{name} = 3"
        ) from None
    return value
