"""When a worker's memory is read between requests, and which of the points are kept."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.host.points import Points


def after(requests: int) -> Points:
    points = Points()
    for number in range(1, requests + 1):
        if points.are_due(number):
            points.add(number, number * 4096)
    return points


def test_the_first_requests_are_all_read_and_none_is_due_before_them() -> None:
    assert not Points().are_due(0)
    assert after(24).all() == tuple((number, number * 4096) for number in range(1, 25))


def test_of_too_many_points_the_first_stays_and_every_other_of_the_rest() -> None:
    assert [requests for requests, _ in after(25).all()] == [1, *range(3, 26, 2)]
    assert [requests for requests, _ in after(28).all()] == [1, *range(3, 28, 2)]


@given(st.integers(1, 5_000))
def test_there_are_always_few_points_and_they_reach_to_the_end(requests: int) -> None:
    numbers = [number for number, _ in after(requests).all()]
    assert numbers[0] == 1
    assert len(numbers) <= 24
    assert numbers[-1] >= 0.9 * requests
    assert len(numbers) >= min(requests, 13)


def test_a_burst_is_read_after_its_first_request_and_seven_times_more() -> None:
    points = Points()
    made = 0
    readings: list[int] = []
    while made < 100 and len(readings) < 20:
        made += points.chunk(made, 100, 100 - made)
        readings.append(made)
    assert readings == [1, 16, 31, 46, 61, 76, 91, 100]


def test_a_burst_keeps_to_the_stride_that_earlier_requests_have_led_to() -> None:
    assert after(25).chunk(25, 3, 3) == 2
    assert after(25).chunk(27, 3, 1) == 1
