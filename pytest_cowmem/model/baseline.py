"""The baseline: what was last accepted, and its file's text. Runs in the pytest process; no I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.typed import typed

FORMAT = 1

Environment = Mapping[str, str | int]


@dataclass(frozen=True)
class Conditions:
    """Under what a test is measured.

    `profile` is the key of what moves private bytes, `environment` what is recorded beside it.
    `source` is a hash of the test's source. `gc` is the app's policy, its thresholds and the number
    of frozen objects. `layout` is a digest of where the app's objects lie.
    """

    profile: str
    environment: Environment
    source: str
    gc: str
    layout: str


@dataclass(frozen=True)
class Entry:
    """What one test measured when somebody last accepted it: bytes, nanoseconds or counts.

    `source`, `gc` and `layout` are those of its conditions. `modules` is private bytes by module,
    from a traced round; a file written before there were any has none.
    """

    metrics: Mapping[str, int]
    spread: Mapping[str, int]
    rounds: int
    source: str
    gc: str
    layout: str
    modules: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, measurement: Measurement, conditions: Conditions) -> "Entry":
        """What a measurement would be accepted as."""
        return cls(
            measurement.values,
            measurement.spread,
            measurement.rounds,
            conditions.source,
            conditions.gc,
            conditions.layout,
        )


@dataclass(frozen=True)
class Profile:
    """The entries of one environment, and what is recorded beside its key."""

    environment: Environment = field(default_factory=dict)
    tests: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One entry's change; `old` is None for an added entry, `new` for a removed one."""

    profile: str
    test: str
    old: Entry | None
    new: Entry | None


@dataclass(frozen=True)
class Baseline:
    """The whole file: profiles by their key."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def with_profile(self, key: str, profile: Profile) -> "Baseline":
        """The same with one profile replaced."""
        return Baseline({**self.profiles, key: profile})


def loads(text: str, name: str = "baseline") -> Baseline:
    """The baseline in `text`. UsageError, which names it, for what `dumps` does not write."""
    if any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines()):
        raise UsageError(
            f"the baseline {name} has merge conflict markers: resolve them, "
            "or check out one side and run with --cowmem-update"
        )
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except _Twice as error:
        raise UsageError(
            f"the baseline {name} has {error} twice in one place, as a merge can leave it: "
            "take out one of the two, or check out one side and run with --cowmem-update"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the baseline {name} is not JSON ({error}): restore it from git"
        ) from None
    version = data.get("format") if isinstance(data, dict) else None
    if type(version) is int and version > FORMAT:
        raise UsageError(
            f"the baseline {name} has format {version}, and this version reads up to {FORMAT}: "
            "upgrade pytest-cowmem"
        )
    try:
        if type(version) is not int or version != FORMAT:
            raise ValueError(f'"format" is {version!r}, not {FORMAT}')
        _refuse_others(data, "format", "profiles")
        profiles = {}
        for key, value in data["profiles"].items():
            _refuse_others(value, "environment", "tests")
            environment = typed(Environment, value["environment"])
            profiles[key] = Profile(environment, typed(Mapping[str, Entry], value["tests"]))
        return Baseline(profiles)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the baseline {name} is not one ({type(error).__name__}: {error}): restore it from git"
        ) from None


class _Twice(Exception):
    """The key that an object of the file has twice; json would keep the last and say nothing."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object as a dict. _Twice where a key would hide another's value."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(repr(key))
        found[key] = value
    return found


def _refuse_others(data: Mapping[str, object], *known: str) -> None:
    """ValueError for a key that would be lost when the file is written again."""
    for key in data:
        if key not in known:
            raise ValueError(f"unknown key {key!r}")


def dumps(baseline: Baseline) -> str:
    """The file's text: sorted keys and one value a line, so that a diff reads well and merges."""
    profiles = {}
    for key, profile in baseline.profiles.items():
        tests = {test: vars(entry) for test, entry in profile.tests.items()}
        profiles[key] = {"environment": dict(profile.environment), "tests": tests}
    document = {"format": FORMAT, "profiles": profiles}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
