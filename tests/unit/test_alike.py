"""Which red tests grew alike: the same metrics, each by the same difference."""

import pytest
from records import MIB, VALUES, record

from pytest_cowmem.judge.alike import alike

KIB = 2**10
OLD = {**VALUES, "growth": 0}


def grown(private=3 * MIB, growth=0, old=OLD, **others):
    """A test that was accepted at `old`, and has grown by so many private bytes."""
    now = {**old, "private": old["private"] + private, **others}
    if growth is not None:
        now["growth"] = growth
    return record(values=now, accepted=old)


LARGER = {**OLD, "private": 9 * MIB}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (grown(), True),
        (grown(old=LARGER), True),
        (grown(3 * MIB + 64 * KIB), True),
        (grown(3 * MIB + 64 * KIB + 1), False),
        (grown(3 * MIB - 64 * KIB - 1), False),
        (grown(growth=8), True),  # not red
        (grown(growth=9), False),  # red
        (grown(gc_collections=9), False),
        (grown(0, gc_collections=9), False),
        (record(values={**OLD, "private": 8 * MIB}), False),  # no baseline, no difference
    ],
)
def test_the_same_metrics_are_red_by_the_same_difference(other, same):
    assert alike(grown(), other) is same
    assert alike(other, grown()) is same


def test_a_small_growth_is_like_few_others():
    """It is as large as its tolerance, within which it would be like any other."""
    assert alike(grown(96 * KIB), grown(108 * KIB))
    assert not alike(grown(96 * KIB), grown(109 * KIB))


def test_growth_that_one_of_them_could_not_tell_is_not_the_same():
    fewer = grown(growth=None, old=VALUES)
    assert "growth" not in fewer.measurement.values
    assert alike(fewer, fewer)
    assert not alike(fewer, grown())


def test_tests_over_a_budget_are_not_alike_without_a_baseline():
    over = record(limits={"private": MIB})
    assert over.failed
    assert not alike(over, over)


def test_a_test_that_is_not_red_is_like_none():
    assert not alike(record(accepted=VALUES), record(accepted=VALUES))
