"""Merge what two sides made of one baseline. Pure."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pytest_cowmem.model.baseline import Baseline, Entry, Profile

T = TypeVar("T")

Conflict = tuple[str, str]  # (profile, test)

_NONE = Profile()


def merged(base: Baseline, ours: Baseline, theirs: Baseline) -> tuple[Baseline, list[Conflict]]:
    """What both sides changed since `base`, and the tests that they changed otherwise.

    A test of those has our entry, or theirs where we removed it. Sides that agree, and a side that
    changed nothing, are no conflict. Neither are an environment and a reference that both changed:
    what is no longer one for all entries is left out, and the next update writes it.
    """
    profiles: dict[str, Profile] = {}
    conflicts: list[Conflict] = []
    for key in sorted({*ours.profiles, *theirs.profiles}):
        sides = [it.profiles.get(key, _NONE) for it in (base, ours, theirs)]
        tests = {}
        for test in sorted({name for side in sides for name in side.tests}):
            versions = [side.tests.get(test) for side in sides]
            entry, agreed = _picked(*versions)
            if not agreed:
                conflicts.append((key, test))
            if entry is not None:
                tests[test] = entry
        kept, _ = _picked(*(key in it.profiles for it in (base, ours, theirs)))
        if kept or tests:
            profiles[key] = Profile(_environment(*sides), tests, _reference(*sides))
    return Baseline(profiles), conflicts


def _picked(base: T, ours: T, theirs: T) -> tuple[T, bool]:
    """The side that changed, and whether that is so of one alone, or both agree."""
    if ours == theirs or theirs == base:
        return ours, True
    if ours == base:
        return theirs, True
    return ours or theirs, False


def _environment(base: Profile, ours: Profile, theirs: Profile) -> Mapping[str, str | int]:
    return dict(_agreed(base.environment, ours.environment, theirs.environment))


def _agreed(
    base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]
) -> Iterator[tuple[str, T]]:
    for name in {**ours, **theirs}:
        value, agreed = _picked(base.get(name), ours.get(name), theirs.get(name))
        if agreed and value is not None:
            yield name, value


def _reference(base: Profile, ours: Profile, theirs: Profile) -> Mapping[str, int]:
    """A reference is of one run, so one side's or none."""
    figures, agreed = _picked(base.reference, ours.reference, theirs.reference)
    return figures if agreed else {}


def conflicting(base: Baseline, ours: Baseline, theirs: Baseline) -> tuple[Baseline, Baseline]:
    """Two baselines that differ in what is a conflict alone: in our version of it, and theirs."""
    both, conflicts = merged(base, ours, theirs)
    return _with(both, ours, conflicts), _with(both, theirs, conflicts)


def _with(both: Baseline, side: Baseline, conflicts: list[Conflict]) -> Baseline:
    for key, test in conflicts:
        entry = side.profiles.get(key, _NONE).tests.get(test)
        profile = both.profiles[key]
        tests: dict[str, Entry] = {**profile.tests}
        tests.pop(test, None)
        if entry is not None:
            tests[test] = entry
        both = both.with_profile(key, Profile(profile.environment, tests, profile.reference))
    return both
