"""The summary and the failure: one line a test at any width, and what is missing said aloud."""

from dataclasses import replace
from typing import Any

import pytest
from records import MIB, VALUES, record

from pytest_cowmem.model.baseline import Change
from pytest_cowmem.model.child import Child
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.record import Proof, Record
from pytest_cowmem.model.verdict import Verdict
from pytest_cowmem.report import failure, terminal
from pytest_cowmem.report.children import children
from pytest_cowmem.report.view import row, view


def explained(failed):
    return failure.explain_failure(failed, Invocation())


def table(records, width):
    return terminal.table([row(it) for it in records], width)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    records = [
        record(limits={"private": 6 * MIB}),
        record("tests/test_x.py::test_" + "long_" * 30, accepted={"private": MIB}),
    ]
    lines = table(records, width)
    assert len(lines) == 2 + len(records)
    assert max(map(len, lines)) <= width
    assert "regressed" in lines[-1]
    assert "5.00 MiB" in lines[-1]


def test_all_columns_where_there_is_room():
    header, _, line = table(
        [record(limits={"private": 6 * MIB}, accepted=VALUES | {"private": 5 * MIB - 4096})], 200
    )
    assert header.split() == [
        "test",
        "private",
        "change",
        "of",
        "budget",
        "copied",
        "fresh",
        "gc",
        "pauses",
        "verdict",
    ]
    assert (
        " ".join(line.split())
        == "test_memory::test_feed 5.00 MiB +4.00 KiB 83% 4.00 MiB 1.00 MiB 3 to 1.50 ms ok"
    )


@pytest.mark.parametrize(("private", "parts"), [(5, "4.00 MiB 1.00 MiB"), (6, "5.00 MiB 2.00 MiB")])
def test_the_parts_are_of_what_private_is_of(private, parts):
    """Of the first layout where its figure is compared, and of all where the mean is."""
    values = {"private": 6 * MIB, "copied": 5 * MIB, "fresh": 2 * MIB}
    layouts = {"private": (5 * MIB, 7 * MIB), "copied": (4 * MIB, 6 * MIB), "fresh": (MIB, 3 * MIB)}
    found = record(values=values)
    judgments = (replace(found.judgment("private"), measured=private * MIB),)
    measurement = replace(found.measurement, layouts=layouts)
    line = table([replace(found, measurement=measurement, judgments=judgments)], 200)[-1]
    assert f"{private}.00 MiB - {parts}" in " ".join(line.split())


CHILD = Child("python -c from multiprocessing.forkserver import main", "calling shop:go", MIB)


def with_children(count, **options):
    kept = record(**options)
    return replace(kept, measurement=replace(kept.measurement, children=(CHILD,) * count))


@pytest.mark.parametrize("children", [0, 2])
def test_a_record_goes_through_xdists_channel_unchanged(children):
    execnet = pytest.importorskip("execnet")
    before = with_children(children, limits={"growth": 64}, accepted={"private": MIB})
    assert Record.from_dict(execnet.loads(execnet.dumps(before.to_dict()))) == before


def test_each_child_has_a_row_no_wider_than_a_terminal():
    header, _, *rows = children(with_children(2))
    assert header.split()[:3] == ["private", "child", "what"]
    assert [row.split()[:5] for row in rows] == [
        ["1.00", "MiB", number, "of", "2"] for number in ("1", "2")
    ]
    assert all(row.endswith("  calling shop:go") for row in rows)
    assert max(map(len, (header, *rows))) <= 79


def test_children_beyond_the_first_rows_are_summed_up():
    *_, last = children(with_children(11))
    assert last.split() == ["3.00", "MiB", "3", "more"]


def test_children_are_in_the_summary_of_a_test_that_passed_and_in_the_text_of_one_that_failed():
    passed, failed = with_children(1), with_children(1, limits={"private": MIB})
    shown = view(Document(records=(passed, failed, record())))
    assert shown.trees == (passed,)
    assert [*terminal.trees(shown.trees)] == [
        "-- test_memory::test_feed, children",
        *children(passed),
        "",
    ]
    assert "\n".join(children(failed)) in explained(failed)


def words(text, start):
    """The words of the line that begins so."""
    return next(line for line in text.splitlines() if line.startswith(start)).split()


def test_the_failure_shows_excess_limit_and_measured():
    over = record(limits={"private": 4 * MIB}, accepted={"private": MIB})
    text = explained(over)
    assert "private is over budget by 1.00 MiB: 5.00 MiB of 4.00 MiB" in text
    assert words(text, "private  ") == (
        ["private", "5.00", "MiB", "4.00", "MiB", "1.00", "MiB", "+4.00", "MiB", "over", "budget"]
    )


def test_the_failure_names_late_imports():
    late = record(values={**VALUES, "imports": 1}, limits={"imports": 0})
    assert "imports is over budget by 1: 1 of 0 (late)" in explained(late)
    copied = explained(record(limits={"copied": 3 * MIB}))
    assert "copied is over budget by 1.00 MiB: 4.00 MiB of 3.00 MiB" in copied
    assert "late" not in copied
    many = failure.sentence(late.judgment("imports"), [f"m{number}" for number in range(6)])
    assert many.endswith(" (m0, m1, m2, m3, m4, ...)")


def test_the_failure_shows_headlines_and_what_is_wrong_or_limited_and_no_more():
    text = failure.table(record(limits={"fresh": 2 * MIB}, accepted=VALUES))
    shown = [line.split()[0] for line in text.splitlines()[2:]]
    assert shown == ["private", "fresh", "gc_pause", "gc_collections"]


def test_a_regression_says_how_to_accept_it():
    text = explained(record(accepted={**VALUES, "private": MIB}))
    assert " ".join(text.split()).startswith(
        "private has regressed by 4.00 MiB: 5.00 MiB, baseline 1.00 MiB, 64.0 KiB tolerated"
    )
    command = "pytest tests/test_memory.py::test_feed --cowmem --cowmem-update"
    assert text.endswith(f"\nto accept: {command}, then commit the baseline")


@pytest.mark.parametrize(
    ("failed", "is_told"),
    [
        (record(), True),
        (record(accepted={**VALUES, "private": 9 * MIB}), True),
        (record(limits={"private": MIB}), False),
    ],
)
def test_a_failure_says_how_to_accept_what_an_update_accepts(failed, is_told):
    assert ("to accept: pytest " in explained(failed)) is is_told


def accepted_by(*records, **fields):
    """The command that a run is told to be accepted with."""
    told = view(Document(records, **fields)).accept
    return told.removeprefix("to accept: ").removesuffix(", then commit cowmem-baseline.json")


def test_what_differs_is_accepted_by_name_where_other_tests_do_not():
    ok = record("t.py::test_ok", accepted=VALUES)
    picked = Invocation(selection=("t.py",))
    names = [f"t.py::test_{number}" for number in range(40)]
    new, red = [record(name) for name in names], [record(name, failed=True) for name in names]
    end = "--cowmem --cowmem-update"
    named = f"pytest {' '.join(names)} {end}"
    gone: dict[str, Any] = {"stale": ("t.py::test_gone",), "invocation": picked}
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ((*new, ok), {"invocation": picked}, named),
        ((*red, ok), {"invocation": picked}, named),
        ((*red, record("t.py::test_new")), {}, named),
        ((*red, ok), gone, named),
        ((*new, ok), gone, f"pytest t.py {end}"),
        (new, {"invocation": picked}, f"pytest t.py {end}"),
        (red, {}, f"pytest {end}"),
        ((ok,), gone, f"pytest t.py {end}"),
        ((ok,), {}, ""),
        (
            (*red, record("t.py::test_plain", verdict=Verdict.MISSING, failed=True, plain=True)),
            {},
            named,
        ),
    ]
    for records, fields, command in cases:
        assert accepted_by(*records, **fields) == command


def test_what_ci_measured_is_accepted_from_its_report():
    red, ok = record("t.py::test[a b]", failed=True), record("t.py::test_ok", accepted=VALUES)
    invocation = Invocation(("t.py",), "..", "", "out/run.json")
    said = "cowmem accept out/run.json"
    assert accepted_by(red, ok, invocation=invocation) == f"{said} 't.py::test[a b]'"
    assert accepted_by(red, invocation=invocation) == said


def test_a_gate_that_stayed_green_is_a_bug():
    text = explained(record(proofs=(Proof("read", MIB, 2 * MIB, 2 * MIB, False),)))
    assert " ".join(text.split()).startswith(
        "the gate stayed green with 2.00 MiB planted (read), twice the 1.00 MiB it tolerates"
    )


def test_the_view_says_what_differs_from_the_baseline():
    records = (
        record("t.py::test_new"),
        record("t.py::test_ok", accepted=VALUES),
        record("t.py::test_no_pause", accepted={"private": 5 * MIB, "peak": 1}),
    )
    left = ("t.py::test_left skipped itself in round 2",)
    shown = view(Document(records, stale=("t.py::test_gone",), unmeasured=left))
    assert [it.cells[0] for it in shown.rows] == ["t::test_new", "t::test_ok", "t::test_no_pause"]
    assert shown.warnings == (
        "1 new: no entry in cowmem-baseline.json, so nothing to compare with",
        "new: gc_pause of t.py::test_no_pause is not in cowmem-baseline.json",
        "new: gc_collections of t.py::test_no_pause is not in cowmem-baseline.json",
        "not measured: t.py::test_left skipped itself in round 2",
        "missing: peak of t.py::test_no_pause could not be measured",
        "missing: peak, returned: this machine does not give them, cowmem doctor says why",
        "stale: t.py::test_gone is in the baseline, and nothing measures it any more",
    )
    assert shown.accept == "to accept: pytest --cowmem --cowmem-update, then commit " + (
        "cowmem-baseline.json"
    )


def test_the_view_has_nothing_to_accept_where_nothing_differs_or_all_was_written():
    ok, new = record(accepted=VALUES), record("t.py::test_new")
    assert view(Document((ok,))).accept == ""
    written = view(
        Document((new,), update="new", changes=(Change("x", new.test, None, new.entry),))
    )
    assert written.accept == ""
    assert written.warnings[0].startswith("missing: ")
    assert written.changes == ("added    t.py::test_new  private 5.00 MiB",)


def test_the_view_tells_masters_environments_and_each_note_once():
    notes = ("a note",)
    shown = view(Document((record(notes=notes), record("t.py::test_b", notes=("other", *notes)))))
    assert shown.facts == (
        "zygote shop:app: 40.0 MiB resident",
        "profile linux-x",
        "ASLR off, THP madvise, gc speed 2.00 ms",
    )
    assert shown.notes == ("note: a note (2 tests)", "note: other (test_b)")


def test_the_view_names_what_improved_beside_private():
    better = {name: amount // 2 for name, amount in VALUES.items()}
    records = [record(f"a.py::{name}", better, accepted=VALUES) for name in ("one", "two")]
    document = Document(records=tuple(records), gated=("private", "gc_pause"))
    assert not [fact for fact in view(document).facts if "improved: private" in fact]
    named = record("a.py::three", VALUES | {"gc_full": MIB}, accepted=VALUES | {"gc_full": 2 * MIB})
    assert "improved: gc_full (three)" in view(Document(records=(named,))).facts
    twice = replace(named, test="a.py::four")
    assert "improved: gc_full (2 tests)" in view(Document(records=(named, twice))).facts


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([{}, {}], ["shop:app"]),
        ([{"prepare": "a:b"}, {"prepare": "a:b"}], ["shop:app"]),
        ([{}, {"prepare": "a:b"}], ["shop:app", "shop:app, prepare a:b"]),
        (
            [{"env A": "1", "prepare": "a:b"}, {"prepare": "a:b"}],
            ["shop:app, env A", "shop:app"],
        ),
        (
            [{"env A": "1", "env B": "2"}, {"env A": "2", "env B": "2"}],
            ["shop:app, env A=1", "shop:app, env A=2"],
        ),
    ],
)
def test_masters_of_one_app_are_named_by_what_differs(options, names):
    records = [record(f"t.py::test_{n}", options=each) for n, each in enumerate(options)]
    other = record("t.py::test_other", app="other:app", options={"after_fork": "a:c"})
    shown = view(Document((*records, other))).facts
    assert [fact for fact in shown if fact.startswith("zygote")] == [
        "zygote other:app: 40.0 MiB resident",
        *(f"zygote {name}: 40.0 MiB resident" for name in sorted(names)),
    ]


def test_the_view_says_first_that_figures_are_unverified():
    shown = view(Document((record(),), unverified="its figures are unverified"))
    assert shown.warnings[0] == "its figures are unverified"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({}, "there is no test that uses cow_worker or has a budget"),
        (
            {"tests": 2},
            "no test that uses cow_worker or has a budget has passed its own assertions",
        ),
        ({"broken": ("a.py",), "complete": False}, "not all of a.py was collected"),
        ({"broken": tuple("abcd")}, "not all of a, b, c, ... was collected"),
        ({"tests": 2, "complete": False}, "the run ended before its first measured test did"),
    ],
)
def test_the_view_says_why_nothing_was_measured(run, why):
    shown = view(Document(**run))
    assert (shown.nothing, shown.rows) == (why, ())


def test_a_change_is_told_by_the_metrics_a_test_is_held_to():
    old, new = record(accepted=VALUES).entry, record(values={**VALUES, "private": 6 * MIB}).entry
    change = Change("linux-x", "t.py::test_a", old, new)
    assert view(Document(changes=(change,), gated=("private",))).changes == (
        "changed  t.py::test_a  private 5.00 MiB -> 6.00 MiB",
    )
    assert view(Document(changes=(change,))).changes == (
        "changed  t.py::test_a  ungated metrics only",
    )
    gone = Change("linux-x", "t.py::test_a", old, None)
    assert view(Document(changes=(gone,))).changes == ("removed  t.py::test_a",)


def test_the_smallest_regressions_caught_are_a_table_of_their_own():
    proved = record(
        proofs=(Proof("read", 65536, 70000, 70000, True), Proof("allocate", 1, 2, 2, False))
    )
    header, _, line, end = terminal.proofs([proved])
    assert header.split() == ["smallest", "regression", "caught", "read", "allocate"]
    assert line.split() == ["test_memory::test_feed", "68.4", "KiB", "not", "at", "2", "B"]
    assert end == ""
    assert terminal.proofs([]) == []


def test_a_change_of_what_is_wrong_is_told_though_other_tests_are_not_held_to_it():
    values = {**VALUES, "copied": 6 * MIB}
    wrong = record("t.py::test_a", values=values, limits={"copied": 5 * MIB})
    records = (record("t.py::test_b", accepted=VALUES), wrong)
    for test, told in [("a", "copied 4.00 MiB -> 6.00 MiB"), ("b", "ungated metrics only")]:
        change = Change("linux-x", f"t.py::test_{test}", record().entry, wrong.entry)
        shown = view(Document(records, changes=(change,), gated=("private",)))
        assert shown.changes == (f"changed  t.py::test_{test}  {told}",)
