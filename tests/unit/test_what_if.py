"""What tests cost under policies: what differs, which to put together, which to follow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.judge.what_if import advised, best_two, helps, outcome, recommended, together
from pytest_cowmem.model.capacity import SERVER
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.model.policy import ALL, Policy
from pytest_cowmem.model.what_if import AS_CONFIGURED, Advised, Helps, Outcome
from pytest_cowmem.report.what_if import advice, policies

MIB = 2**20
FROZEN, WARM, MALLOC = (
    Policy(freeze=True),
    Policy(requests=ALL),
    Policy(environ=(("PYTHONMALLOC", "malloc"),)),
)


def samples(private, aged=10 * MIB, cpu=1_000_000, spread=0):
    """Five layouts' samples; `spread` is how far the outer ones are off."""
    return [
        Sample(
            {
                "private": private + step * spread,
                "uss": private + MIB + step * spread,
                "aged": aged + step * spread,
                "master": 40 * MIB,
                "mapped": 60 * MIB,
                "cpu": cpu + abs(step) * 1000,
            },
            (),
            3,
        )
        for step in (-2, -1, 0, 1, 2)
    ]


def test_a_change_is_told_where_layouts_do_not_make_it():
    before = samples(3 * MIB, spread=20_000)
    found = outcome("frozen", FROZEN, samples(2 * MIB, aged=4 * MIB, spread=20_000), before, 2**30)
    assert found.changes == {"private": -MIB, "uss": -MIB, "aged": -6 * MIB}
    assert found.amounts["private"] == 2 * MIB
    left = 2**30 - (40 + 60) * MIB - SERVER
    assert found.workers == left // (3 * MIB + SERVER)
    assert found.lasting == left // (4 * MIB + SERVER)


def test_what_layouts_make_is_noise():
    before = samples(3 * MIB, spread=200_000)
    found = outcome("frozen", FROZEN, samples(3 * MIB - 300_000, spread=200_000), before, 2**30)
    assert "private" not in found.changes


def test_a_time_differs_where_each_is_above_each_of_the_others():
    before = samples(MIB, cpu=1_000_000)
    same = outcome("warm", WARM, samples(MIB, cpu=1_001_999), before, 2**30)
    more = outcome("warm", WARM, samples(MIB, cpu=1_002_001), before, 2**30)
    assert "cpu" not in same.changes
    assert more.changes["cpu"] == 2_001


def test_what_one_layout_lacks_is_left_out():
    lacking = samples(MIB)
    lacking[2] = replace(lacking[2], values={**lacking[2].values})
    del lacking[2].values["cpu"]
    found = outcome("warm", WARM, lacking, samples(MIB), 2**30)
    assert "cpu" not in found.amounts


def helping(policy, lasting, aged=-MIB, own=None):
    """A policy that helps. What a worker has for itself in the long run is `own` in each layout."""
    bytes_ = own or (2**30 // lasting)
    return Outcome(
        policy.name, policy, {"aged": MIB}, {"aged": aged}, lasting, lasting, (bytes_,) * 5
    )


BOTH = Policy(freeze=True, requests=ALL)


def test_the_best_is_put_together_with_the_next():
    outcomes = [helping(FROZEN, 90), helping(WARM, 80), helping(MALLOC, 70)]
    assert [*best_two(outcomes)] == [BOTH]


def test_the_best_that_was_measured_together_is_put_together_with_the_next_that_adds_to_it():
    outcomes = [helping(FROZEN, 90), helping(WARM, 80), helping(BOTH, 100), helping(MALLOC, 70)]
    assert [policy.name for policy in best_two(outcomes)] == ["prewarmed, frozen, malloc"]


@pytest.mark.parametrize(
    "others",
    [
        [],
        [helping(MALLOC, 95, aged=MIB)],  # it does harm
        [helping(Policy(gc="off"), 80)],  # what does not collect has no long run
        [helping(Policy(freeze=True, gc="9,9,9"), 90)],  # what it does more is for nothing
        [helping(Policy(freeze=True, gc="9,9,9"), 60)],  # or does harm
    ],
)
def test_what_adds_nothing_is_not_put_together(others):
    assert [*best_two([helping(FROZEN, 90), *others])] == []


POLICIES = st.builds(
    Policy,
    imports=st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
    requests=st.sampled_from([0, 1, ALL]),
    freeze=st.booleans(),
    gc=st.sampled_from(["", "off", "1,2,3"]),
    environ=st.sampled_from([(), (("PYTHONMALLOC", "malloc"),), (("PYTHONMALLOC", "mimalloc"),)]),
)


@given(POLICIES, POLICIES)
def test_together_is_either_both_or_nothing(one, other):
    both = together(one, other)
    contradict = (one.gc and other.gc and one.gc != other.gc) or (
        one.environ and other.environ and one.environ != other.environ
    )
    assert (both is None) == bool(contradict)
    if both is not None:
        for policy in (one, other):
            assert both.freeze >= policy.freeze
            assert both.requests >= policy.requests
            assert both.requests or {*policy.imports} <= {*both.imports}
            assert policy.gc in ("", both.gc)
            assert policy.environ in ((), both.environ)


def test_a_policy_is_named_by_what_it_does():
    environ = (("LD_PRELOAD", "libjemalloc.so.2 other.so"),)
    assert Policy(("a", "b"), ALL, True, "1,2,3", environ).name == (
        "late imports, prewarmed, frozen, 1,2,3, jemalloc"
    )
    assert Policy().name == ""


def configured(lasting):
    return Outcome(
        AS_CONFIGURED, Policy(), {"aged": 2 * MIB}, {}, lasting, lasting, (2**30 // lasting,) * 5
    )


def test_the_policy_to_follow_has_most_workers_where_they_are_fewest():
    tests = [
        [configured(50), helping(FROZEN, 90), helping(WARM, 200)],
        [configured(40), helping(FROZEN, 80), helping(WARM, 60)],
    ]
    found = recommended(tests)
    assert found is not None
    assert (found.name, found.lasting) == ("frozen", 80)


def test_of_those_that_do_as_well_the_plainest_is_to_follow():
    found = recommended([[configured(40), helping(BOTH, 900), helping(FROZEN, 890)]])
    assert found is not None
    assert found.name == "frozen"
    found = recommended([[configured(40), helping(BOTH, 900), helping(FROZEN, 600)]])
    assert found is not None
    assert found.name == "prewarmed, frozen"


def test_what_never_collects_is_not_to_follow():
    off = helping(Policy(gc="off"), 94)
    assert recommended([[configured(40), off]]) is None


def test_a_test_without_late_imports_costs_what_it_does_as_configured():
    early = helping(Policy(imports=("a",)), 90)
    assert recommended([[configured(40), early], [configured(30)]]) is None
    assert recommended([[configured(40), early], [configured(95)]]) is early


def test_a_test_that_serves_nothing_early_costs_what_it_does_without_that():
    served = [configured(40), helping(FROZEN, 60), helping(BOTH, 90)]
    posts = [configured(50), helping(FROZEN, 95)]
    found = recommended([served, posts])
    assert found is not None
    assert (found.name, found.lasting) == ("prewarmed, frozen", 90)


def test_an_app_is_to_do_what_all_of_its_tests_need():
    one = replace(helping(Policy(("a",), ALL), 90), requests=(("/a", ""),))
    other = replace(helping(Policy(("b",), ALL), 80), requests=(("/b", ""), ("/a", "")))
    tests = [[configured(40), one], [configured(30), other]]
    found = advised("shop:app", "shop:app", "default", tests)
    assert found.before == 30
    assert found.best is not None
    assert found.best.policy.imports == ("a", "b")
    assert found.best.requests == (("/a", ""), ("/b", ""))


NONE_HELP = [
    replace(helping(FROZEN, 45), changes={}),
    Outcome("frozen", FROZEN, failed="it raised"),
]


@pytest.mark.parametrize("other", NONE_HELP)
def test_there_is_none_to_follow_where_nothing_exceeds_the_noise(other):
    assert recommended([[configured(40), other]]) is None
    assert helps([configured(40), other]) is None
    assert helps([configured(40)]) is None
    told = advised("shop:app", "shop:app", "default", [[configured(40), other]])
    (said,) = advice(told, 2**30, 79)
    assert "no policy" in said


def test_what_helps_is_recorded_with_its_gain():
    assert helps([configured(40), helping(FROZEN, 90)]) == Helps("frozen", 0, -MIB)


def test_advice_says_what_a_policy_costs():
    found = replace(helping(WARM, 90), changes={"aged": -MIB, "cpu": 2_000_000})
    said = " ".join(advice(Advised("shop:app", "shop:app", 40, found), 4 * 2**30, 79))
    assert "4.00 GiB then holds 90 workers instead of 40" in " ".join(said.split())
    assert "cpu +2.00 ms" in said


@pytest.mark.parametrize(
    ("gc", "has", "lacks"),
    [
        ("default", [], ["gc."]),
        ("freeze", ["gc.freeze()"], ["set_threshold"]),
        ("off", ["gc.disable()"], ["gc.freeze()"]),
        ("700,10,10", ["gc.set_threshold(700, 10, 10)"], ["gc.freeze()"]),
    ],
)
def test_the_lines_are_for_all_that_an_app_is_to_do(gc, has, lacks):
    target = "shop:make(1, debug=True)"
    told = advised(target, target, gc, [[configured(40), helping(WARM, 90)]])
    text = "\n".join(advice(told, 2**30, 79))
    assert "application = shop.make(1, debug=True)\n" in text
    assert all(line in text for line in has)
    assert not any(line in text for line in lacks)


def test_there_is_none_to_follow_where_not_one_more_fits():
    before, best = configured(40), helping(FROZEN, 90)
    crowded = [replace(one, lasting=0) for one in (before, best)]
    assert recommended([[before, best]]) is best
    assert recommended([crowded]) is None


def table(width, *outcomes):
    return policies([configured(40), *outcomes], width)


def test_the_table_shows_each_change_or_that_it_may_be_noise():
    amounts = {"private": 3 * MIB, "cpu": 1_000_000}
    found = replace(helping(FROZEN, 90), amounts=amounts, changes={"private": -MIB, "aged": -MIB})
    row = next(line for line in table(200, found) if line.startswith("frozen"))
    assert "3.00 MiB -25%" in row
    assert "1.00 ms ~" in row
    assert row.split()[-4:] == ["90", "~", "90", "+125%"]


def test_what_was_not_measured_says_why_below_the_table():
    *_, last = table(200, Outcome("prewarmed", WARM, failed="requests start threads"))
    assert last == "prewarmed was not measured: requests start threads"


def test_a_narrow_table_has_private_and_workers():
    lines = table(40, helping(FROZEN, 90))
    assert lines[0].split() == ["policy", "private", "workers", "lasting"]
