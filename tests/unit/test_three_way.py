"""A baseline that two branches changed is merged test by test, and nothing is lost."""

from itertools import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import entry

from pytest_cowmem.judge.three_way import conflicting, merged
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.baseline_conflict import conflict_text
from pytest_cowmem.model.baseline_text import dumps, loads
from pytest_cowmem.model.errors import UsageError

ENTRIES = st.integers(1, 3).map(lambda amount: entry(private=amount, fresh=amount))
PROFILES = st.builds(
    Profile,
    st.dictionaries(st.sampled_from(["kernel", "libc"]), st.sampled_from(["1", "2", "3"])),
    st.dictionaries(st.sampled_from(["t::a", "t::b", "t::c", "t::d"]), ENTRIES),
    st.dictionaries(st.sampled_from(["private", "master"]), st.integers(1, 3)),
)
BASELINES = st.builds(Baseline, st.dictionaries(st.sampled_from(["p", "q"]), PROFILES))


def entries(baseline):
    return {
        (key, test): entry
        for key, profile in baseline.profiles.items()
        for test, entry in profile.tests.items()
    }


@given(BASELINES, BASELINES)
def test_a_side_that_changed_nothing_takes_the_other(base, changed):
    assert merged(base, base, changed) == merged(base, changed, base) == (changed, [])


@given(BASELINES, BASELINES)
def test_sides_that_agree_are_no_conflict(base, changed):
    assert merged(base, changed, changed) == (changed, [])


@given(BASELINES, BASELINES, BASELINES)
def test_it_is_the_same_from_either_side(base, ours, theirs):
    both, conflicts = merged(base, ours, theirs)
    mirrored, others = merged(base, theirs, ours)
    assert conflicts == others
    if not conflicts:
        assert both == mirrored
    assert conflicting(base, ours, theirs) == conflicting(base, theirs, ours)[::-1]


@given(BASELINES, BASELINES, BASELINES)
def test_every_entry_is_a_side_s_and_none_is_lost_that_no_side_removed(base, ours, theirs):
    both, conflicts = merged(base, ours, theirs)
    was, left, right, found = map(entries, (base, ours, theirs, both))
    for where in {*was, *left, *right}:
        sides = [left.get(where), right.get(where)]
        if where in found:
            assert found[where] in sides
        else:  # a side has removed it, and the other one has not changed it
            assert None in sides
            assert {*map(str, sides)} <= {"None", str(was.get(where))}
        assert (where in conflicts) == (sides[0] != sides[1] and was.get(where) not in sides)


def of(**tests):
    return Baseline({"p": Profile({"kernel": "1"}, tests)})


ONE, TWO, THREE = (entry(private=amount) for amount in (1, 2, 3))
BARE = Baseline({"p": Profile({}, {"a": THREE})})  # without the environment that one side removed


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "both", "conflicts"),
    [
        (of(a=ONE, b=ONE), of(a=TWO, b=ONE), of(a=ONE, b=TWO), of(a=TWO, b=TWO), []),
        (of(), of(a=ONE), of(b=ONE), of(a=ONE, b=ONE), []),
        (of(a=ONE, b=ONE), of(b=ONE), of(a=ONE, b=TWO), of(b=TWO), []),
        (of(a=ONE), of(a=TWO), of(a=THREE), of(a=TWO), [("p", "a")]),
        (of(a=ONE), of(), of(a=THREE), of(a=THREE), [("p", "a")]),
        (of(a=ONE), Baseline(), of(a=THREE), BARE, [("p", "a")]),
        (of(a=ONE), Baseline(), of(a=ONE), Baseline(), []),
        (of(), of(a=ONE), of(a=TWO), of(a=ONE), [("p", "a")]),
    ],
)
def test_each_way_to_change_a_test(base, ours, theirs, both, conflicts):
    found = merged(base, ours, theirs)
    assert found[1] == conflicts
    assert found[0] == both


def test_a_conflict_has_the_version_without_a_test_where_a_side_removed_it():
    removed, changed = of(b=ONE), of(a=TWO, b=ONE)
    assert conflicting(of(a=ONE, b=ONE), removed, changed) == (removed, changed)
    assert conflicting(of(a=ONE, b=ONE), changed, removed) == (changed, removed)


def test_an_environment_and_a_reference_that_both_changed_are_left_out():
    def profile(kernel, reference):
        return Baseline(
            {"p": Profile({"kernel": kernel, "libc": "2"}, {"a": ONE}, {"private": reference})}
        )

    (both,) = merged(profile("1", 1), profile("2", 2), profile("3", 3))[0].profiles.values()
    assert both == Profile({"libc": "2"}, {"a": ONE}, {})


@given(BASELINES, BASELINES, BASELINES)
def test_the_text_of_a_conflict_has_both_versions_whole(base, ours, theirs):
    sides = conflicting(base, ours, theirs)
    text = conflict_text(*sides)
    assert resolved(text, mine=True) == dumps(sides[0])
    assert resolved(text, mine=False) == dumps(sides[1])
    if merged(base, ours, theirs)[1]:
        with pytest.raises(UsageError, match="merge conflict markers"):
            loads(text)


def resolved(text, *, mine):
    """The text with one side taken of each conflict."""
    side, kept = "", []
    for line in text.splitlines(keepends=True):
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            side = {"<": "ours", "=": "theirs", ">": ""}[line[0]]
        else:
            kept.append(side in ("", "ours" if mine else "theirs"))
    lines = [it for it in text.splitlines(keepends=True) if it[0] not in "<=>"]
    return "".join(compress(lines, kept))


def test_a_conflict_is_of_whole_tests_and_leaves_the_others_alone():
    base = of(a=ONE, b=entry(private=1, fresh=1, master=1), c=ONE)
    ours = of(a=TWO, b=entry(private=2, fresh=1, master=2), c=ONE)
    theirs = of(a=ONE, b=entry(private=3, fresh=1, master=3), c=ONE)
    text = conflict_text(*conflicting(base, ours, theirs))
    head, _, rest = text.partition("<<<<<<< ours\n")
    left, _, rest = rest.partition("=======\n")
    right, _, tail = rest.partition(">>>>>>> theirs\n")
    assert left.count("\n") == right.count("\n") == 6
    assert left.splitlines()[0] == right.splitlines()[0] == '        "b": {'
    assert "<<<<<<<" not in tail
    assert '"a"' in head
    assert '"c"' in tail
