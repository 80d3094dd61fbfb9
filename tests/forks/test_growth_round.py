"""What a worker leaves in use a request, told by real workers that leak or only seem to."""

import subprocess
import sys

import pytest

from pytest_cowmem.host.growth_round import GrowthRound
from pytest_cowmem.model.app import App
from pytest_cowmem.model.growth import Growth

REQUESTS = 50
WAYS = {
    "a burst": lambda url, times: lambda client: client.burst("GET", url, times=times),
    "requests": lambda url, times: lambda client: [client.get(url) for _ in range(times)],
}
INNOCENT = ["/nothing", "/cycle", "/freed", "/built", "/cache?20"]


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def keeping(zygotes):
    return zygotes.get(App("bare:keeping"))


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("/object", 16, 16 + 16),
        ("/bytes?64", 97, 97 + 32),
        ("/bytes?1024", 1057, 1057 + 32),
        ("/bytes?200000", 200_033, 200_033 + 8192),  # libc maps it apart, in whole pages
        ("/entry", 64, 64),
    ],
)
def test_what_each_request_keeps_is_growth(keeping, growth, way, path, least, most):
    found = growth(keeping, way(path, REQUESTS), REQUESTS)
    assert least <= found.per_request <= most
    assert not found.warming


@pytest.mark.parametrize("path", INNOCENT)
@pytest.mark.parametrize("requests", [20, REQUESTS, 300])
def test_where_nothing_is_kept_growth_is_zero_to_the_byte(keeping, growth, way, path, requests):
    if path == "/cache?20" and requests == 20:
        return  # it is full when the test ends
    assert growth(keeping, way(path, requests), requests) == Growth(0)


def test_readings_after_the_first_requests_are_equal_to_the_byte(keeping):
    """The reading keeps nothing, and finds the allocators' caches as it left them."""
    with GrowthRound(keeping, 60, REQUESTS) as current:
        for _ in range(REQUESTS):
            current.requests += 1
            current.begin("nothing")
        points = current._points
    assert len(points) > 10
    assert len({in_use for _, in_use in points}) == 1


def test_growth_takes_enough_requests(keeping, growth, way):
    assert growth(keeping, way("/nothing", 19), 19) is None
    assert growth(keeping, way("/nothing", 20), 20) is not None


@pytest.mark.parametrize(("expected", "made"), [(20, 200), (60, 50)])
def test_other_requests_than_expected_are_told_as_well(keeping, growth, way, expected, made):
    found = growth(keeping, way("/bytes?64", made), expected)
    assert found.per_request in range(97, 130)


def test_growth_is_told_under_another_allocator_of_the_interpreter(zygotes, growth, way):
    """Less exactly: a small object may take a free chunk that is larger."""
    keeping = zygotes.get(App("bare:keeping", env={"PYTHONMALLOC": "malloc"}))
    assert growth(keeping, way("/nothing", REQUESTS), REQUESTS) == Growth(0)
    assert growth(keeping, way("/bytes?64", 200), 200).per_request in range(64, 161)


def test_an_allocator_that_does_not_tell_is_none_and_not_zero():
    """With a library in libc's place, libc's counter stands still whatever is allocated."""
    program = """if True:
        from pytest_cowmem.zygote import in_use
        in_use.Libc._count = lambda self: 7
        print(in_use.read()[1])
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_standard_error_is_the_apps_again_after_a_reading():
    program = """if True:
        import os
        from pytest_cowmem.zygote import in_use
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            in_use.read()
        assert len(os.listdir("/proc/self/fd")) == before + 1
        os.write(2, b"still here")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "still here")


def test_an_app_that_has_closed_standard_error_is_told_as_well():
    program = """if True:
        import os
        from pytest_cowmem.zygote import in_use
        in_use.read()
        os.close(2)
        print(type(in_use.read()[0]).__name__, os.path.exists("/proc/self/fd/2"))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "int False\n"
