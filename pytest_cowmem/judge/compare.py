"""Two runs or baselines, judged by the gate of a run. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping

from pytest_cowmem.judge.known import Known, Tests
from pytest_cowmem.judge.renames import former_id
from pytest_cowmem.model.comparison import Compared, Comparison


def compare(
    old: Mapping[str, Tests],
    new: Mapping[str, Tests],
    is_kept: Callable[[str], bool] = lambda _: False,
) -> Comparison:
    """The tests of both sides, by the profiles that both have; the old side is what was accepted.

    `is_kept` says whether a test may be there all the same that the new side has not measured.
    """
    common = sorted({*old} & {*new})
    missing = {test for profile in common for test in {*old[profile]} - {*new[profile]}}
    kept = {test for test in missing if is_kept(test)}
    return Comparison(
        tuple(
            one
            for profile in common
            for one in _in_profile(profile, old[profile], new[profile], kept)
        ),
        tuple(sorted({*old} - {*new})),
        tuple(sorted({*new} - {*old})),
        tuple(sorted(kept)),
    )


def _in_profile(profile: str, old: Tests, new: Tests, kept: Collection[str]) -> Iterator[Compared]:
    gone = {test: old[test].entry for test in old if test not in {*new, *kept}}
    renamed = set()
    for test, now in new.items():
        former = None if test in old else former_id(test, now.entry.source, gone)
        renamed.add(former)
        then = old.get(former or test)
        yield _judged(profile, test, former, then, now)
    for test, entry in gone.items():
        if test not in renamed:
            yield Compared(profile, test, entry, None)


def _judged(
    profile: str, test: str, former: str | None, then: Known | None, now: Known
) -> Compared:
    if then is None:
        alone = now.gate(profile, None, {}).judge(now.measured)
        return Compared(profile, test, None, now.entry, ruling=alone if alone.failed else None)
    gate = now.gate(profile, then.entry, then.environment, former)
    return Compared(profile, test, then.entry, now.entry, former, gate.judge(now.measured))
