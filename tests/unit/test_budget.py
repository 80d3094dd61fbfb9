"""mem_budget and tolerances: units, merging, and what is said of a typo."""

import pytest

from pytest_cowmem.judge.budget import Budget, parse_tolerance, parse_tolerance_lines
from pytest_cowmem.model import units
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.metrics import METRICS, Tolerance


def budget(**options):
    return Budget.from_markers([((), options)])


def test_limits_are_bytes_nanoseconds_and_counts():
    found = budget(private="6 MiB", gc_pause="5 ms", growth="64 B", imports=0, uss=4096, gc_total=2)
    assert found.limits == {
        "private": 6 * 2**20,
        "gc_pause": 5 * 10**6,
        "growth": 64,
        "imports": 0,
        "uss": 4096,
        "gc_total": 2 * 10**9,
    }


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("1 B", "bytes", 1),
        ("1 kB", "bytes", 1_000),
        ("1 MB", "bytes", 1_000_000),
        ("1 GB", "bytes", 1_000_000_000),
        ("1 KiB", "bytes", 1_024),
        ("1 MiB", "bytes", 1_048_576),
        ("1 GiB", "bytes", 1_073_741_824),
        ("1 ns", "ns", 1),
        ("1 us", "ns", 1_000),
        ("1 ms", "ns", 1_000_000),
        ("1 s", "ns", 1_000_000_000),
    ],
)
def test_every_unit(text, unit, amount):
    assert units.parse(text, unit) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (1, "+1 B"), (-1, "-1 B"), (1_536, "+1.50 KiB"), (10_485_760, "+10.0 MiB")],
)
def test_a_change_is_shown_with_its_sign_and_three_figures(amount, text):
    assert units.render_change(amount, "bytes") == text


def test_a_closer_marker_overrides_keyword_by_keyword():
    near: dict[str, object] = {"private": "1 MiB"}
    far: dict[str, object] = {"private": "2 MiB", "growth": 0, "rounds": 5}
    found = Budget.from_markers([((), near), ((), far)])
    assert found.limits == {"private": 2**20, "growth": 0}
    assert found.rounds == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"privat": "6 MiB"},
            ["no metric 'privat'", "mem_budget(privat='6 MiB')", "mem_budget(private='6 MiB')"],
        ),
        (
            {"private": "6 Mib"},
            ["unknown unit 'Mib'", "KiB, MiB", "right: mem_budget(private='6 MiB')"],
        ),
        ({"private": "5 ms"}, ["unknown unit 'ms'"]),
        ({"gc_pause": "5 MiB"}, ["unknown unit 'MiB'", "right: mem_budget(gc_pause='5 ms')"]),
        ({"private": "-1 MiB"}, ["negative"]),
        ({"private": -1}, ["negative"]),
        ({"imports": "two"}, ["not a whole number", "right: mem_budget(imports=3)"]),
        ({"imports": "2 B"}, ["a count has none"]),
        ({"imports": 1.5}, ["not a whole number"]),
        ({"private": None}, ["NoneType"]),
        ({"private": True}, ["bool"]),
        ({"private": float("nan")}, ["nan"]),
        (
            {"nothing_like_it": "6 MiB"},
            ["no metric 'nothing_like_it'", "right: mem_budget(private='6 MiB')"],
        ),
        ({"private": 0.5}, ["0.5 is not a whole number of bytes"]),
        ({"private": "0.5 B"}, ["not a whole number of B"]),
        ({"imports": 0.5}, ["0.5 is not a whole number\n"]),
        ({"rounds": 0}, ["at least 1"]),
        ({"rounds": -1}, ["at least 1"]),
        ({"rounds": "3"}, ["whole number"]),
        ({"tolerance": "5 %"}, ["belongs to a metric", 'tolerance={"private"']),
        ({"tolerance": {"privat": "5 %"}}, ["no metric 'privat'"]),
        ({"tolerance": {"private": "5 ms"}}, ["not a tolerance", "unknown unit 'ms'"]),
        ({"tolerance": {"private": "-5 %"}}, ["not a share"]),
    ],
)
def test_an_invalid_budget_shows_the_wrong_line_and_the_right_one(options, words):
    with pytest.raises(UsageError) as caught:
        budget(**options)
    for word in [*words, "wrong: ", "right: "]:
        assert word in str(caught.value)


def test_a_positional_budget_is_refused():
    with pytest.raises(UsageError, match="keywords only") as caught:
        Budget.from_markers([(("6 MiB", "5 ms"), {})])
    assert "right: mem_budget(private='6 MiB')" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "metric", "expected"),
    [
        ("2 % / 64 KiB", "private", Tolerance(0.02, 65536)),
        ("5%", "private", Tolerance(0.05, 0)),
        ("64 B", "growth", Tolerance(0.0, 64)),
        ("30 % / 1 ms", "gc_pause", Tolerance(0.30, 10**6)),
        ("5 % / 1", "gc_collections", Tolerance(0.05, 1)),
        (4096, "private", Tolerance(0.0, 4096)),
    ],
)
def test_tolerances(text, metric, expected):
    assert parse_tolerance(text, metric) == expected


def test_the_larger_part_of_a_tolerance_wins():
    tolerance = METRICS["private"].tolerance
    assert tolerance
    assert tolerance.allows(2**20) == 64 * 1024
    assert tolerance.allows(100 * 2**20) == 2**20


def test_tolerance_lines_of_the_ini_file():
    found = parse_tolerance_lines(["private = 1 % / 32 KiB", "growth=16 B"])
    assert found == {"private": Tolerance(0.01, 32768), "growth": Tolerance(0.0, 16)}
    with pytest.raises(UsageError, match="no metric 'nothing'"):
        parse_tolerance_lines(["nothing = 1 %"])
