"""A baseline's versions as a series for each test. Pure. Runs in the process that tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_cowmem.judge.known import Known
from pytest_cowmem.judge.renames import former_id
from pytest_cowmem.model.baseline import Entry, Environment, Profile
from pytest_cowmem.model.history import History, Point, Series, Version
from pytest_cowmem.model.metrics import CHILDREN, PRIVATE
from pytest_cowmem.model.verdict import Verdict, judgment_of

_MOVED = frozenset({Verdict.REGRESSED, Verdict.IMPROVED})
_KEPT = (PRIVATE, CHILDREN)


@dataclass(frozen=True)
class _Known:
    """What a test had last, and all that is told of it so far."""

    entry: Entry
    environment: Environment
    points: tuple[Point, ...] = ()


def history(versions: Sequence[Version]) -> History:
    """A series for each profile and test of any version, the oldest of which comes first.

    A renamed test goes on in its series, as the gate holds it to its former entry.
    """
    found: dict[str, dict[str, _Known]] = {}
    for version in versions:
        for key, profile in version.baseline.profiles.items():
            tests = found.setdefault(key, {})
            for test, former in _renamed(tests, profile).items():
                tests[test] = tests.pop(former)
            for test, entry in profile.tests.items():
                tests[test] = _longer(tests.get(test), version, key, entry, profile.environment)
    last = versions[-1].baseline.profiles if versions else {}
    series = (
        Series(key, test, known.points, test not in last.get(key, Profile()).tests)
        for key in sorted(found)
        for test, known in sorted(found[key].items())
        if known.points
    )
    return History(tuple(version.change for version in versions), tuple(series))


def _renamed(tests: Mapping[str, _Known], profile: Profile) -> dict[str, str]:
    """The former id of each test that is new in a profile and was known by another one."""
    gone = {test: known.entry for test, known in tests.items() if test not in profile.tests}
    new = {test: entry for test, entry in profile.tests.items() if test not in tests}
    found = {test: former_id(test, entry.source, gone) for test, entry in new.items()}
    known = [former for former in found.values() if former]
    return {test: former for test, former in found.items() if former and known.count(former) == 1}


def _longer(
    known: _Known | None, version: Version, key: str, entry: Entry, environment: Environment
) -> _Known:
    """What is known of a test after one version more."""
    points = known.points if known else ()
    of_private = _of_private(entry)
    if PRIVATE in entry.metrics:
        moved = known is not None and _moved(known, key, of_private, environment)
        points = (*points, Point(version.change, entry.metrics[PRIVATE], moved))
    return _Known(of_private, environment, points)


def _of_private(entry: Entry) -> Entry:
    """An entry without the figures that are not told of; `children` says what is tolerated."""
    kept = {name: amount for name, amount in entry.metrics.items() if name in _KEPT}
    return replace(entry, metrics=kept, modules={}, what_if=None)


def _moved(known: _Known, key: str, entry: Entry, environment: Environment) -> bool:
    """Whether a run that measured the entry would have been told of `private`."""
    if entry == known.entry:
        return False
    gate = Known.of_entry(entry, environment).gate(key, known.entry, known.environment)
    judged = judgment_of(gate.judge(entry).judgments, PRIVATE)
    return judged is not None and judged.verdict in _MOVED
