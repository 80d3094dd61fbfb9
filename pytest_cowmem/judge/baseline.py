"""The committed baseline file: profiles by environment, then tests by node id, then metrics. Runs in the pytest process."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_cowmem.model.errors import UsageError

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """What one test measured when somebody last accepted it: ints in bytes, nanoseconds or counts.

    `source` is a hash of the test's source, `gc` the app's policy, thresholds and freeze count, `layout` a digest of where its objects lay.
    `modules` is private bytes by module, of a traced round; a file written before there were any has none.
    """

    metrics: Mapping[str, int]
    spread: Mapping[str, int]
    rounds: int
    source: str
    gc: str
    layout: str
    modules: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """The entries of one environment, and what is recorded beside its key."""

    environment: Mapping[str, str | int] = field(default_factory=dict)
    tests: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """The whole file."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def with_profile(self, key: str, profile: Profile) -> "Baseline":
        """The same with one profile replaced."""
        return Baseline({**self.profiles, key: profile})


def load(path: Path) -> Baseline:
    """Read the file; an absent one is an empty baseline. UsageError for one that cannot be understood, which is then never overwritten."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Baseline()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {path} cannot be read ({error}): mend it, or restore it from git"
        ) from None
    return loads(text, str(path))


def loads(text: str, name: str = "baseline") -> Baseline:
    """Parse a baseline's text. UsageError, naming it as `name`, for anything that `dumps` would not have written."""
    if any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines()):
        raise UsageError(
            f"the baseline {name} has merge conflict markers: resolve them, or check out one side and run with --cowmem-update"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the baseline {name} is not JSON ({error}): restore it from git"
        ) from None
    found = data.get("format") if isinstance(data, dict) else None
    if type(found) is int and found > FORMAT:
        raise UsageError(
            f"the baseline {name} has format {found}, and this version reads up to {FORMAT}: upgrade pytest-cowmem"
        )
    try:
        if type(found) is not int or found != FORMAT:
            raise ValueError(f'"format" is {found!r}, not {FORMAT}')
        return Baseline({key: _profile(value) for key, value in data["profiles"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the baseline {name} is not one ({type(error).__name__}: {error}): restore it from git"
        ) from None


def dumps(baseline: Baseline) -> str:
    """The file's text: sorted keys, one value a line, so that a diff reads well and merges."""
    profiles = {
        key: {
            "environment": dict(profile.environment),
            "tests": {test: vars(entry) for test, entry in profile.tests.items()},
        }
        for key, profile in baseline.profiles.items()
    }
    return (
        json.dumps(
            {"format": FORMAT, "profiles": profiles}, indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
    )


def check_writable(path: Path) -> None:
    """UsageError where `write` would fail: better said before a run than after it."""
    if not os.access(path.parent, os.W_OK):
        reason = (
            "its folder is not writable" if path.parent.is_dir() else "its folder does not exist"
        )
        raise UsageError(
            f"the baseline {path} cannot be written ({reason}): give another place with --cowmem-baseline"
        )


def write(path: Path, baseline: Baseline) -> None:
    """Replace the file in one step: a reader sees the old text or the new one. UsageError where the folder cannot be written."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(dumps(baseline))
            os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageError(
            f"the baseline {path} cannot be written ({error.strerror}): give another place with --cowmem-baseline"
        ) from None


def _profile(data: Any) -> Profile:
    environment = {
        str(key): _checked(value, (str, int), key) for key, value in data["environment"].items()
    }
    return Profile(
        environment, {test: _entry(test, value) for test, value in data["tests"].items()}
    )


def _entry(test: str, data: Any) -> Entry:
    unknown = set(data) - set(Entry.__dataclass_fields__)
    if unknown:
        raise ValueError(f"{test} has the unknown key {unknown.pop()!r}")
    metrics, spread, modules = (
        {str(name): _checked(value, (int,), name) for name, value in amounts.items()}
        for amounts in (data["metrics"], data["spread"], data.get("modules", {}))
    )
    texts = {name: _checked(data[name], (str,), test) for name in ("source", "gc", "layout")}
    return Entry(metrics, spread, _checked(data["rounds"], (int,), test), **texts, modules=modules)


def _checked(value: Any, kinds: tuple[type, ...], name: object) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"{name} is {value!r}, not {' or '.join(kind.__name__ for kind in kinds)}")
    return value
