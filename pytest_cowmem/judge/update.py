"""What `--cowmem-update` writes: a new baseline from the old one and the measured tests. Runs in the pytest process; no I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from pytest_cowmem.judge.baseline import Baseline, Entry, Profile
from pytest_cowmem.judge.verdict import Verdict
from pytest_cowmem.model.metrics import WIDENING


@dataclass(frozen=True)
class Measured:
    """What an update needs of one test; `verdicts` by metric."""

    test: str
    profile: str
    environment: Mapping[str, str | int]
    entry: Entry
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True)
class Change:
    """One entry's change, to be printed: None for what was not, or is no longer, there."""

    profile: str
    test: str
    old: Entry | None
    new: Entry | None


def update(
    baseline: Baseline, mode: str, measured: Iterable[Measured], gone: Collection[tuple[str, str]]
) -> tuple[Baseline, list[Change]]:
    """The baseline after accepting `measured` in `mode` and dropping `gone`, (profile, test) pairs; and what changed.

    Modes: `changed` accepts what is new, gone, regressed or improved, and a changed test's source; `new` only what has no entry;
    `tighten` only lowers values; `all` accepts everything. A noisy test is never accepted.
    """
    changes = []
    for found in measured:
        profile = baseline.profiles.get(found.profile, Profile())
        old = profile.tests.get(found.test)
        new = _accepted(mode, found, old)
        if new is not None and new != old:
            changes.append(Change(found.profile, found.test, old, new))
            tests = {**profile.tests, found.test: new}
            baseline = baseline.with_profile(found.profile, Profile(found.environment, tests))
    for key, test in gone:
        profile = baseline.profiles[key]
        changes.append(Change(key, test, profile.tests[test], None))
        baseline = baseline.with_profile(
            key,
            replace(
                profile,
                tests={name: entry for name, entry in profile.tests.items() if name != test},
            ),
        )
    return baseline, changes


def _accepted(mode: str, found: Measured, old: Entry | None) -> Entry | None:
    """What to write for one test, None for nothing."""
    verdicts = set(found.verdicts.values())
    if Verdict.NOISY in verdicts:
        return None
    if old is None:
        return None if mode == "tighten" else found.entry
    if mode == "all":
        return found.entry
    if mode == "changed":
        differs = verdicts & {Verdict.REGRESSED, Verdict.IMPROVED, Verdict.NEW, Verdict.MISSING}
        return found.entry if differs else replace(old, source=found.entry.source)
    if mode == "new":
        return (
            replace(old, metrics={**found.entry.metrics, **old.metrics})
            if Verdict.NEW in verdicts
            else None
        )
    return _tightened(found, old)


def _tightened(found: Measured, old: Entry) -> Entry | None:
    """The entry with what improved lowered, and with it what widens the tolerance in another layout; None where nothing improved."""
    better = {name for name, verdict in found.verdicts.items() if verdict is Verdict.IMPROVED}
    if not better:
        return None
    lowered = {
        name: min(old.metrics[name], found.entry.metrics[name])
        for name in better | (WIDENING & set(old.metrics) & set(found.entry.metrics))
    }
    layout = found.entry.layout if "private" in better else old.layout
    return replace(old, metrics={**old.metrics, **lowered}, layout=layout)


def stale(
    baseline: Baseline,
    profiles: Collection[str],
    collected: Collection[str],
    whole_files: Collection[str],
    missing_files: Collection[str],
) -> list[tuple[str, str]]:
    """(profile, test) of the entries whose test is gone: its file was collected whole, or is no longer there, and the test is not in it."""
    return [
        (key, test)
        for key in sorted(set(profiles) & set(baseline.profiles))
        for test in sorted(baseline.profiles[key].tests)
        if test not in collected
        and (test.partition("::")[0] in whole_files or test.partition("::")[0] in missing_files)
    ]
