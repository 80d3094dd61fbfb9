"""Growth a request: what rises all the way after warming up, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.model.growth import growth_per_request

MIB = 2**20
PAGE = 4096
BURST = [1, 30, 59, 88, 117, 146, 175, 200]  # when memory is read in a burst of 200


PRIVATE_AFTER = {
    "a leak": (lambda n: 100 * n, 100),
    "a leak, page by page": (lambda n: n * 300 // PAGE * PAGE, 282),
    "a leak after a jump": (lambda n: 100 * n + (MIB if n > 30 else 0), 100),
    "shrinking": (lambda n: -100 * n, -100),
    "level": (lambda n: MIB, 0),
    "a page halfway": (lambda n: PAGE if n > 117 else 0, 0),
    "a jump early": (lambda n: MIB if n > 88 else 0, 0),
    "a jump halfway": (lambda n: MIB if n > 117 else 0, 0),
    "a jump late": (lambda n: MIB if n > 146 else 0, 0),
    "a jump at the end": (lambda n: MIB if n > 190 else 0, 0),
    "a long warm-up": (lambda n: min(n, 130) * PAGE, 0),
    "up and down": (lambda n: -abs(n - 140) * PAGE, 0),
}


@pytest.mark.parametrize("name", PRIVATE_AFTER)
def test_growth_is_what_rises_all_the_way_after_warm_up(name):
    private, growth = PRIVATE_AFTER[name]
    assert growth_per_request([(n, private(n)) for n in BURST]) == growth


@given(st.integers(1, 10**6), st.integers(20, 3000))
def test_growth_of_an_even_leak_is_the_leak(leak, requests):
    points = [(n, leak * n) for n in range(1, requests + 1, max(1, requests // 7))]
    assert growth_per_request([*points, (requests + 7, leak * (requests + 7))]) == leak


def test_growth_takes_requests():
    assert growth_per_request([(n, 0) for n in (1, 2, 3)]) is None
    assert growth_per_request([]) is None
