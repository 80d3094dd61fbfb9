"""What a seed keeps, so that the app's objects lie elsewhere."""

import gc
import sys

import pytest

from pytest_cowmem.zygote import ballast

SEEDS = range(1, 5)


@pytest.fixture
def kept(monkeypatch):
    """`kept(seed)` are the objects that a seed keeps, and the bytes that it says they take."""

    def keep(seed):
        objects: list[object] = []
        monkeypatch.setattr(ballast, "_kept", objects)
        return objects, ballast.keep(seed)

    return keep


def test_no_seed_keeps_nothing(kept):
    assert kept(0) == ([], 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_keeps_some_of_each_size_and_little_in_all(kept, seed):
    objects, told = kept(seed)
    sizes = {-(-sys.getsizeof(one) // 16) * 16 for one in objects}
    assert len(sizes & {*range(16, 513, 16)}) > 24
    assert max(sizes) > 512
    taken = sum(map(sys.getsizeof, [objects, *objects]))
    assert told == pytest.approx(taken, rel=0.1)
    assert told < 2**20


def test_equal_seeds_keep_the_same_and_others_do_not(kept):
    assert kept(1)[1] == kept(1)[1]
    assert len({kept(seed)[1] for seed in SEEDS}) == len(SEEDS)


def test_seeds_intern_some_hundred_names_and_each_another_number(kept):
    counts = set()
    for seed in SEEDS:
        names = [name for name in kept(seed)[0] if isinstance(name, str)]
        assert all(sys.intern("".join(name)) is name for name in names)
        counts.add(len(names))
    assert len(counts) == len(SEEDS)
    assert max(counts) - min(counts) > 512


def test_seeds_in_a_row_have_the_collector_in_other_phases(kept):
    phases = []
    gc.disable()
    try:
        for seed in SEEDS:
            gc.collect()
            kept(seed)
            phases.append(gc.get_count()[1:])
    finally:
        gc.enable()
    assert len({youngest for youngest, _ in phases}) == len(SEEDS)
    assert len({middle for _, middle in phases}) > 1
    assert all(count < 10 for phase in phases for count in phase)
