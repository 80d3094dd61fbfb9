"""Growth a request: what stays in use at the end, and whether it still becomes less."""

import functools
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.model.growth import PARTS, Growth, growth_of, rise_of

KIB = 1024
REQUESTS = 240


def points(in_use, requests=REQUESTS):
    """What is in use at ready, and at the end of each part of the requests."""
    read_after = sorted({-(-part * requests // PARTS) for part in range(PARTS + 1)})
    return [(number, in_use(number)) for number in read_after]


def large_list(entries):
    """The bytes of a list that had room for 150,000 entries, and makes it for an eighth more."""
    size = 150_000
    while size < entries:
        size += size >> 3
    return 8 * size


def test_a_large_list_rises_by_what_it_keeps_though_few_parts_do():
    held = points(lambda number: large_list(150_000 + 100 * number), 1500)
    assert growth_of(held) == Growth(0)
    assert rise_of(held) == pytest.approx(800, rel=0.2)


def test_what_is_full_does_not_rise():
    assert rise_of(points(lambda number: min(number, 400) * 100, 1200)) == 0
    assert rise_of(points(lambda number: KIB)) == 0


def test_too_few_points_tell_no_rise():
    assert rise_of([]) is rise_of([(0, 8)]) is rise_of([(0, 8), (60, 9)][1:]) is None


IN_USE_AFTER = {
    "a leak": (lambda n: 100 * n, 100),
    "a leak after a jump": (lambda n: 100 * n + (KIB if n > 30 else 0), 100),
    "a leak whose container makes room once": (lambda n: 100 * n + (KIB if n > 190 else 0), 100),
    "a leak beside something that is given back": (lambda n: 100 * n - 900 * (n > 230), 100),
    "a leak in every fourth request": (lambda n: n // 4 * 100, 25),
    "shrinking": (lambda n: -100 * n, 0),
    "level": (lambda n: KIB, 0),
    "a cache that is full in time": (lambda n: min(n, 150) * KIB, 0),
    "a jump in the last third": (lambda n: KIB if n > 170 else 0, 0),
    "a jump at the end": (lambda n: KIB if n > 239 else 0, 0),
    "two jumps in the last third": (lambda n: KIB * ((n > 170) + (n > 230)), 0),
    "up and down": (lambda n: n // 20 % 2 * KIB, 0),
    "mostly up, and once down": (lambda n: 100 * n - 2 * KIB * (n > 210), 0),
}


@pytest.mark.parametrize("name", IN_USE_AFTER)
def test_growth_is_what_rises_all_through_the_last_third(name):
    in_use, expected = IN_USE_AFTER[name]
    growth = growth_of(points(in_use))
    assert growth is not None
    assert growth.per_request == expected


def halved_every(requests):
    return lambda n: round(100_000 * (1 - 0.5 ** (n / requests)))


WARMING_AFTER = {
    "a cache that is hit more and more": (halved_every(60), True),
    "a cache that is hit hardly more": (halved_every(400), False),
    "a leak": (lambda n: 100 * n, False),
    "a leak beside a cache that is full": (lambda n: 100 * n + KIB * min(n, 20), False),
    "a leak that gets worse": (lambda n: n * n, False),
    "a leak whose dict made room": (lambda n: 100 * n + 9 * KIB * (n > 150), False),
    "level": (lambda n: KIB, False),
}


@pytest.mark.parametrize("name", WARMING_AFTER)
def test_a_slope_that_falls_is_warming_up(name):
    in_use, warming = WARMING_AFTER[name]
    growth = growth_of(points(in_use))
    assert growth is not None
    assert growth.warming is warming


ADDED = {list: list.append, set: set.add, dict: dict.setdefault}


@functools.cache
def room(kind, add):
    """The bytes of a container of that kind with n entries, by n."""
    container = kind()
    sizes = [sys.getsizeof(container)]
    for number in range(5000):
        add(container, number)
        sizes.append(sys.getsizeof(container))
    return sizes


@pytest.mark.parametrize(("kind", "add"), ADDED.items())
@given(requests=st.integers(20, 5000), kept=st.integers(1, 64))
def test_a_kept_object_is_a_leak_whenever_its_container_makes_room(kind, add, requests, kept):
    size = 16 * kept
    rooms = room(kind, add)
    growth = growth_of(points(lambda n: n * size + rooms[n], requests))
    assert growth is not None
    assert growth.per_request >= size
    assert not growth.warming


@given(st.integers(1, 10**6), st.integers(20, 3000))
def test_growth_of_an_even_leak_is_the_leak(leak, requests):
    assert growth_of(points(lambda n: leak * n, requests)) == Growth(leak)


@given(st.integers(20, 3000))
def test_each_part_of_the_last_third_is_read(requests):
    read_after = [number for number, _ in points(lambda _: 0, requests)]
    assert len([1 for start, _ in pairwise(read_after) if start * 3 >= requests * 2]) == 4


def test_growth_takes_requests_and_readings():
    assert growth_of([(number, 0) for number in range(20)]) is None
    assert growth_of([]) is None
    assert growth_of([(0, 0), (30, 0)]) is None
    assert growth_of([(number, 0) for number in range(21)], whole=False) == Growth(0, whole=False)
    assert growth_of([(number, 0) for number in range(21)]) == Growth(0)
