"""--cowmem-prove: regressions are planted and caught close to the tolerance.

A gate that misses them fails.
"""

import re
import subprocess
import sys

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.run.prove import KEEP, KINDS, prove

TEST = "def test_quiet(cow_worker):\n    assert cow_worker.get('/').status_code == 200\n"
MIB = 1 << 20
# The largest regression caught, as a multiple of what is tolerated. "read" keeps a set of the
# pages it has reached, which grows by leaps.
# "keep" fills free memory first, and grows its steps.
MOST = {"read": 2, "allocate": 1 + 2 / 16, "keep": 2}


def judge_at(limit, tolerated=65536, baseline=0, budget=None):
    """A gate that goes red above `limit` bytes.

    It says that it tolerates 64 KiB above the baseline, and twice that below.
    """

    def judge(private):
        verdict, allowed = Verdict.OK, tolerated
        if private > limit:
            verdict = Verdict.REGRESSED
        elif private < baseline:
            verdict, allowed = Verdict.IMPROVED, 2 * tolerated
        return Judgment("private", private, 0, budget, baseline, allowed, verdict)

    return judge


def caught(result, test="test_quiet"):
    """The smallest regressions caught, in bytes, from the summary's table."""
    row = re.compile(rf"{test}( +\d\S+ [KM]iB){{3}}$")
    (line,) = filter(row.search, result.outlines)
    return [
        float(amount) * {"K": 1 << 10, "M": MIB}[unit]
        for amount, unit in re.findall(r"([\d.]+) ([KM])iB", line)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_regression_is_caught_within_two_steps_of_the_tolerance(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 0, judge_at(65536))
    assert proof.caught
    assert not proof.failed
    assert 65536 < proof.grown <= 65536 + 2 * 65536 // 16 + 8 * 4096
    assert kind == KEEP or proof.planted == proof.grown


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_that_stays_green_at_twice_its_tolerance_has_failed(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 0, judge_at(10**9))
    assert not proof.caught
    assert proof.failed


def test_what_fits_into_free_memory_is_kept_unseen(zygotes, talk):
    with talk(zygotes.get(App("bare:busy"))) as client:
        client.get("/allocate?40000")
        client.call("bare:leave_holes")
        proof = prove(KEEP, client.current_round(), 0, judge_at(65536))
    assert proof.caught
    assert not proof.failed
    assert proof.grown < 4 * 65536
    assert proof.planted > MIB


def test_the_summary_names_the_smallest_regression_caught(project):
    result = project(TEST, "--cowmem-prove")
    assert result.ret == 0
    read, allocated, kept = caught(result)
    for planted in (read, allocated):
        assert 64 * 1024 < planted <= (64 + 2 * 4 + 32) * 1024
    assert 16 * 1024 < kept < MIB  # it copies shared pages that have room, and fills private ones


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_below_its_baseline_may_grow_back_to_it(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 28672, judge_at(MIB + 65536, baseline=MIB))
    room = MIB - 28672 + 65536
    assert proof.caught
    assert proof.allowed == room
    assert room < proof.grown <= room * MOST[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_above_a_baseline_fails_at_twice_what_the_test_may_grow_by(zygotes, talk, kind):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(kind, client.current_round(), 28672, judge_at(10**9, baseline=MIB))
    assert proof.failed
    assert proof.grown >= MIB - 28672 + 2 * 65536


def test_a_limit_below_the_baseline_is_what_a_test_may_grow_to(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        proof = prove(
            "allocate",
            client.current_round(),
            0,
            judge_at(131072, baseline=20 * MIB, budget=131072),
        )
    assert proof.caught
    assert 131072 < proof.planted <= 131072 + 2 * (131072 + 65536) // 16


def test_the_walk_over_all_objects_leaves_its_own_books_out():
    program = (
        "from pytest_cowmem.zygote import plant\n"
        "print(any(obj is plant._reached for obj in plant.walk()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_all_objects_can_be_read(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        current = client.current_round()
        assert 0 < current.plant("read", 10**6) < 10**6
        assert current.plant("read", 1) == 0


def test_a_dict_may_grow_while_its_objects_are_read(project, pytester):
    pytester.makepyfile(
        growing="""
        import gc

        grown = {}

        def grow(phase, info):
            grown[len(grown)] = None

        def app(environ, start_response):
            deep = []
            for _ in range(20_000):
                deep = [deep]
            grown[0] = deep
            gc.callbacks.append(grow)
            start_response("200 OK", [])
            return [b""]
        """
    )
    result = project(
        TEST, "--cowmem-prove", app="growing:app", ini="cowmem_tolerance = private = 200 MiB"
    )
    assert result.ret == 0
    assert re.search(r"test_quiet +not at", result.stdout.str())


@pytest.mark.parametrize("tolerated", [8, 200])
def test_a_large_tolerance_is_proved_too(project, tolerated):
    result = project(TEST, "--cowmem-prove", ini=f"cowmem_tolerance = private = {tolerated} MiB")
    assert result.ret == 0
    (allocated,) = re.findall(r"test_quiet .* ([\d.]+) MiB$", result.stdout.str(), re.MULTILINE)
    assert tolerated <= float(allocated) <= tolerated * (1 + 1 / 16)


def test_what_has_improved_passes_and_is_told_to_lock_that_in(project):
    project(TEST.replace("'/'", "'/map?1280'"), "--cowmem-update", app="bare:busy")
    result = project(TEST, "--cowmem-prove", app="bare:busy")
    assert result.ret == 0
    assert (
        "note: private is below its baseline, and the gate lets it grow back: "
        "lock that in with --cowmem-update"
    ) in " ".join(" ".join(result.outlines).split())
    for kind, planted in zip(KINDS, caught(result), strict=True):
        assert 5 * MIB < planted <= 5.5 * MIB * MOST[kind]
