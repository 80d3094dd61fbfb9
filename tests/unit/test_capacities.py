"""How many workers a host holds, in a sentence."""

from dataclasses import replace

from records import record

from pytest_cowmem.model.capacity import SERVER
from pytest_cowmem.report.capacities import capacities

MIB = 2**20


def aging(ages, uss, aged, app="shop:app"):
    """A record of a test whose worker had private bytes after requests, and its own at the end.

    `uss` and `aged` have a server's own code in them.
    """
    values = {
        "private": ages[-1][1] if ages else 0,
        "uss": uss - SERVER,
        "master": 10 * MIB,
        "mapped": 14 * MIB - SERVER,
    }
    if aged is not None:
        values["aged"] = aged - SERVER
    found = record(values=values, app=app)
    return replace(found, measurement=replace(found.measurement, ages=ages))


def test_the_sentence_says_how_a_worker_ages():
    told = aging(((1, 2 * MIB), (8, 3 * MIB), (9, 7 * MIB)), uss=10 * MIB, aged=20 * MIB)
    assert [*capacities([told], 2**30)] == [
        "workers of shop:app in 1.00 GiB, by test_feed: 200 after 1 request, 166 after 8, "
        "100 after 9, 50 in the long run"
    ]


def test_what_collects_no_more_lasts():
    told = aging((), uss=10 * MIB, aged=None)
    assert [*capacities([told], 2**30)] == [
        "workers of shop:app in 1.00 GiB, by test_feed: 100 after 0 requests, 100 in the long run"
    ]


def test_each_app_has_a_sentence_of_the_test_that_leaves_fewest_in_the_long_run():
    tests = [
        aging((), uss=20 * MIB, aged=10 * MIB),
        aging((), uss=10 * MIB, aged=50 * MIB),
        aging((), uss=25 * MIB, aged=None, app="blog:app"),
    ]
    ends = [sentence.rpartition(", ")[2] for sentence in capacities(tests, 2**30)]
    assert ends == ["20 in the long run", "40 in the long run"]
