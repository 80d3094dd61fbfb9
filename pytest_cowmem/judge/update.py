"""What `--cowmem-update` makes of the baseline. Runs in the pytest process; no I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from pytest_cowmem.judge.layouts import noise
from pytest_cowmem.model.baseline import MIXED, Baseline, Change, Entry, Profile
from pytest_cowmem.model.metrics import MASTER, METRICS
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Judgment, Verdict

T = TypeVar("T")

MODES = ("changed", "new", "tighten", "all")
REMOVING = frozenset({"changed", "all"})  # the modes that remove entries without a test

_DIFFERS = frozenset({Verdict.REGRESSED, Verdict.IMPROVED, Verdict.NEW, Verdict.MISSING})

_SOME_PAGES = 8192  # bytes
# Bytes. Another environment made 11 pages of six apps at most. Folders on `sys.path` that changed
# while the example was imported made 31, since the import system lists them anew.
_OF_A_MASTER = 2**18
_UNRECORDED = frozenset({"gc_speed"})  # another in each run, and compared with nothing


def update(
    baseline: Baseline, mode: str, records: Iterable[Record], gone: Collection[tuple[str, str]]
) -> tuple[Baseline, list[Change]]:
    """The baseline after accepting `records` and dropping `gone`, and the changes.

    `gone` holds (profile, test). The modes: `changed` accepts what is new, gone, regressed or
    improved, and a changed test's source. `new` accepts only what has no entry. `tighten` only
    lowers values. `all` accepts everything, and it alone a noisy test.
    """
    changes = []
    for record in records:
        profile = baseline.profiles.get(record.profile, Profile())
        old = profile.tests.get(record.test)
        new = _accepted(mode, record, old or record.accepted)  # a renamed test has another's entry
        if new is not None and new != old:
            changes.append(Change(record.profile, record.test, old, new))
            tests = {**profile.tests, record.test: new}
            environment = _without(record.environment, _UNRECORDED)
            written = replace(profile, environment=environment, tests=tests)
            baseline = baseline.with_profile(record.profile, written)
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
            written = updated.profiles[change.profile]
            profile = replace(written, tests={**profile.tests, change.test: change.new})
        elif change.test in profile.tests:
            left = {test: entry for test, entry in profile.tests.items() if test != change.test}
            profile = replace(profile, tests=left)
        else:
            continue
        found = found.with_profile(change.profile, profile)
    return found


def _accepted(mode: str, record: Record, old: Entry | None) -> Entry | None:
    """What to write for one test, None for nothing.

    What helps most is of the last run that tried policies.
    """
    tried = record.entry.what_if
    entry = _figures(mode, record, old)
    if old is None or (entry is None and tried in (None, old.what_if)):
        return entry
    return replace(entry or old, what_if=tried or old.what_if)


def _figures(mode: str, record: Record, old: Entry | None) -> Entry | None:
    """The entry as far as its figures count, None for no change."""
    new = record.entry
    verdicts = {judgment.metric: _against_baseline(judgment) for judgment in record.judgments}
    if Verdict.NOISY in verdicts.values() and mode != "all":
        return None
    if old is None:
        return None if mode == "tighten" else new
    added = {*new.metrics} - {*old.metrics}
    if mode == "new":
        return _mixed(old, new, added) if Verdict.NEW in verdicts.values() else None
    if mode == "tighten":
        improved = {name for name, verdict in verdicts.items() if verdict is Verdict.IMPROVED}
        return _tightened(old, new, improved) if improved else None
    differs = {name for name, verdict in verdicts.items() if verdict in _DIFFERS}
    if mode == "changed" and not differs:
        return replace(old, source=new.source, gc=new.gc)
    if mode == "all":
        differs |= {name for name in {*old.metrics} & {*new.metrics} if _differs(old, new, name)}
    return _replaced(old, new, added | differs)


def _differs(old: Entry, new: Entry, name: str) -> bool:
    """Whether a metric is another one, within its tolerance too, and not by chance.

    Forks of one zygote agree to within a page or two, so a first layout that is the same one is
    compared so. Other layouts have one round each: where much garbage came and went, one in a
    hundred had an arena of 1 MiB more (CPython 3.14). So means are compared as a test's are that is
    judged in several layouts. A time is never another one.
    """
    before, after = old.metrics[name], new.metrics[name]
    if name == MASTER:
        return abs(after - before) > _OF_A_MASTER
    if not METRICS[name].of_pages:
        return METRICS[name].unit != "ns" and before != after
    first = old.first.get(name, before), new.first.get(name, after)
    if new.layout == old.layout and abs(first[1] - first[0]) > _SOME_PAGES:
        return True
    sides = [(entry.deviation.get(name, 0), entry.layouts) for entry in (old, new)]
    return abs(after - before) > noise(*sides, arenas=not METRICS[name].copies)


def _replaced(old: Entry, new: Entry, names: Collection[str]) -> Entry:
    """The new entry with the old one's figures, but for `names`.

    So a diff shows what has changed. What counts pages is replaced at once, with its layout and
    the bytes by module: it is of one layout, and both differ from run to run.
    """
    pages = {name for name in new.metrics if METRICS[name].of_pages}
    if pages & {*names}:
        names = {*names} | pages
    else:
        new = replace(new, layout=old.layout, modules=old.modules)
    mixed = _mixed(old, new, names)
    kept = {name: amount for name, amount in mixed.metrics.items() if name in new.metrics}
    return replace(new, metrics=kept, first=mixed.first, deviation=mixed.deviation)


def _mixed(old: Entry, new: Entry, names: Collection[str]) -> Entry:
    """The old entry with the new one's figures of `names`."""
    return replace(
        old,
        metrics={**old.metrics, **_of(new.metrics, names)},
        first={**_without(old.first, names), **_of(new.first, names)},
        deviation={**_without(old.deviation, names), **_of(new.deviation, names)},
    )


def _of(figures: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {name: amount for name, amount in figures.items() if name in names}


def _without(figures: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {name: amount for name, amount in figures.items() if name not in names}


def _against_baseline(judgment: Judgment) -> Verdict:
    """A judgment's verdict without the budget: what is over budget may have regressed as well."""
    grown = judgment.difference or 0
    over = judgment.verdict is Verdict.OVER
    return Verdict.REGRESSED if over and grown > judgment.allowed else judgment.verdict


def _tightened(old: Entry, new: Entry, improved: Collection[str]) -> Entry:
    """The old entry with what improved lowered.

    Figures of two layouts are then beside each other, so no later one is the entry's own.
    """
    moved = old.layout != new.layout and any(METRICS[name].of_pages for name in improved)
    return replace(_mixed(old, new, improved), layout=MIXED if moved else old.layout)
