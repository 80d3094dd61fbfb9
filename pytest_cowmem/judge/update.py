"""What `--cowmem-update` makes of the baseline. Runs in the pytest process; no I/O."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from pytest_cowmem.model.baseline import Baseline, Change, Entry, Profile
from pytest_cowmem.model.metrics import PRIVATE, WIDENING
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Judgment, Verdict

_DIFFERS = frozenset({Verdict.REGRESSED, Verdict.IMPROVED, Verdict.NEW, Verdict.MISSING})


def update(
    baseline: Baseline, mode: str, records: Iterable[Record], gone: Collection[tuple[str, str]]
) -> tuple[Baseline, list[Change]]:
    """The baseline after accepting `records` and dropping `gone`, and the changes.

    `gone` holds (profile, test). The modes: `changed` accepts what is new, gone, regressed or
    improved, and a changed test's source. `new` accepts only what has no entry. `tighten` only
    lowers values. `all` accepts everything. A noisy test is never accepted.
    """
    changes = []
    for record in records:
        profile = baseline.profiles.get(record.profile, Profile())
        old = profile.tests.get(record.test)
        new = _accepted(mode, record, old)
        if new is not None and new != old:
            changes.append(Change(record.profile, record.test, old, new))
            tests = {**profile.tests, record.test: new}
            baseline = baseline.with_profile(record.profile, Profile(record.environment, tests))
    for key, test in gone:
        profile = baseline.profiles[key]
        changes.append(Change(key, test, profile.tests[test], None))
        tests = {name: entry for name, entry in profile.tests.items() if name != test}
        baseline = baseline.with_profile(key, replace(profile, tests=tests))
    return baseline, changes


def merged(found: Baseline, updated: Baseline, changes: Iterable[Change]) -> Baseline:
    """`found`, which may have more than `updated` was made from, with these changes alone."""
    for change in changes:
        profile = found.profiles.get(change.profile, Profile())
        if change.new is not None:
            environment = updated.profiles[change.profile].environment
            profile = Profile(environment, {**profile.tests, change.test: change.new})
        elif change.test in profile.tests:
            left = {test: entry for test, entry in profile.tests.items() if test != change.test}
            profile = replace(profile, tests=left)
        else:
            continue
        found = found.with_profile(change.profile, profile)
    return found


def _accepted(mode: str, record: Record, old: Entry | None) -> Entry | None:
    """What to write for one test, None for nothing."""
    verdicts = {judgment.metric: _against_baseline(judgment) for judgment in record.judgments}
    if Verdict.NOISY in verdicts.values():
        return None
    if old is None:
        return None if mode == "tighten" else record.entry
    if mode == "all":
        return record.entry
    if mode == "changed":
        if _DIFFERS.isdisjoint(verdicts.values()):
            return replace(old, source=record.entry.source)
        return record.entry
    if mode == "new":
        if Verdict.NEW not in verdicts.values():
            return None
        return replace(old, metrics={**record.entry.metrics, **old.metrics})
    improved = {name for name, verdict in verdicts.items() if verdict is Verdict.IMPROVED}
    return _tightened(old, record.entry, improved) if improved else None


def _against_baseline(judgment: Judgment) -> Verdict:
    """A judgment's verdict without the budget: what is over budget may have regressed as well."""
    grown = judgment.difference or 0
    over = judgment.verdict is Verdict.OVER
    return Verdict.REGRESSED if over and grown > judgment.allowed else judgment.verdict


def _tightened(old: Entry, new: Entry, improved: Collection[str]) -> Entry:
    """The old entry with what improved lowered, and what widens another layout's tolerance."""
    widening = WIDENING & set(old.metrics) & set(new.metrics)
    lowered = {name: min(old.metrics[name], new.metrics[name]) for name in {*improved} | widening}
    layout = new.layout if PRIVATE in improved else old.layout
    return replace(old, metrics={**old.metrics, **lowered}, layout=layout)
