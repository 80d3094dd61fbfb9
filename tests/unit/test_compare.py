"""Two runs or baselines beside each other: what is red, what is gone, and what is renamed."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import CONDITIONS, MIB, VALUES, entry, record

from pytest_cowmem.cli import main
from pytest_cowmem.judge.compare import compare
from pytest_cowmem.judge.known import of_baseline, of_document
from pytest_cowmem.model import baseline_text, document_text
from pytest_cowmem.model.baseline import Baseline, Entry, Profile
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.figure import Figure
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.verdict import Verdict, judgment_of
from pytest_cowmem.report.comparison import as_data, as_markdown, as_text, headline, word

PROFILE = CONDITIONS.profile
ONE = record("t").entry
GROWN = {**VALUES, "private": 8 * MIB}


def run(*records, **fields):
    return of_document(Document(records=records, **fields))


def baseline(**tests):
    return Baseline({PROFILE: Profile({}, tests)})


def entries(**tests):
    return of_baseline(baseline(**tests))


def said(comparison):
    return {one.test: word(one) for one in comparison.tests}


@pytest.mark.parametrize("old", [run(record("t")), entries(t=record("t").entry)])
@pytest.mark.parametrize(
    ("values", "verdict"),
    [(VALUES, "ok"), (GROWN, "regressed"), ({**VALUES, "private": 2 * MIB}, "improved")],
)
def test_reports_and_baselines_are_judged_alike(old, values, verdict):
    now = record("t", values)
    for new in (run(now), entries(t=now.entry)):
        found = compare(old, new)
        assert said(found) == {"t": verdict}
        assert found.failed == (verdict == "regressed")


def test_the_gate_is_that_of_a_run():
    now = record("t", GROWN, accepted=VALUES)
    (found,) = compare(entries(t=now.accepted), run(now)).tests
    assert found.ruling
    assert found.ruling.judgments == now.judgments
    assert found.ruling.verdict is now.verdict
    assert found.failed == now.failed


def test_a_new_test_is_held_to_its_budget():
    found = compare(run(record("a")), run(record("a"), record("b", limits={"private": MIB})))
    assert said(found) == {"a": "ok", "b": "over budget"}
    assert found.failed
    within = compare(run(record("a")), run(record("b", limits={"private": 64 * MIB})))
    assert not within.failed


def test_the_budget_of_the_new_side_counts():
    now = record("t", limits={"private": MIB})
    assert said(compare(run(record("t")), run(now))) == {"t": "over budget"}
    assert said(compare(run(now), run(record("t")))) == {"t": "ok"}


def test_an_over_budget_test_of_many_layouts_is_no_other_than_itself():
    one = record("t", limits={"private": MIB})
    layouts = {"private": (5 * MIB, 5 * MIB + 4096)}
    measured = replace(
        one.measurement, values={**VALUES, "private": 5 * MIB + 2048}, layouts=layouts
    )
    now = replace(one, measurement=measured, entry=Entry.of(measured, CONDITIONS, {"private"}))
    assert now.entry.first == {"private": 5 * MIB}
    (found,) = compare(run(now), run(now)).tests
    assert found.ruling
    private = judgment_of(found.ruling.judgments, "private")
    assert private
    assert (private.verdict, private.measured, private.difference) == (
        Verdict.OVER,
        5 * MIB + 2048,
        0,
    )


def test_layouts_of_two_baselines_decide_what_chance_may_make():
    old = replace(entry(private=5 * MIB), deviation={"private": 200_000})
    same = replace(old, metrics={"private": 5 * MIB + 300_000})
    assert said(compare(entries(t=old), entries(t=same))) == {"t": "regressed"}
    moved = replace(same, layout="there")
    assert said(compare(entries(t=old), entries(t=moved))) == {"t": "ok"}


def test_an_entry_of_figures_of_two_layouts_has_none_of_its_own():
    old = replace(entry(private=5 * MIB), layout="mixed", first={"private": 5 * MIB})
    new = replace(old, first={"private": 9 * MIB})
    assert said(compare(entries(t=old), entries(t=new))) == {"t": "ok"}


def test_a_time_is_scaled_by_the_one_beside_it():
    then = entry(private=1, gc_pause=10**7, gc_full_pause=10**7)
    for full, verdict in [(4 * 10**7, "ok"), (10**7, "regressed")]:
        now = entry(private=1, gc_pause=4 * 10**7, gc_full_pause=full)
        assert said(compare(entries(t=then), entries(t=now))) == {"t": verdict}


def test_a_metric_of_a_newer_version_is_no_figure():
    assert entry(private=1, gc_of_tomorrow=2).figures == {"private": Figure(1, 1, layouts=5)}


@pytest.mark.parametrize(("children", "verdict"), [({}, "regressed"), ({"children": MIB}, "ok")])
def test_an_entry_with_children_is_of_a_tree_and_has_its_tolerance(children, verdict):
    old = entry(private=MIB, **children)
    new = entry(private=MIB + 200 * 1024, **children)
    assert said(compare(entries(t=old), entries(t=new))) == {"t": verdict}


def test_what_a_baseline_does_not_keep_is_not_missing_there():
    old, new = entry(private=MIB, copied=MIB, growth=1), entry(private=MIB)
    (found,) = compare(entries(t=old), entries(t=new)).tests
    assert found.ruling
    assert [(it.metric, it.verdict) for it in found.ruling.judgments] == [
        ("private", Verdict.OK),
        ("growth", Verdict.MISSING),
    ]


def sourced(test, source, values=VALUES):
    one = record(test, values)
    return replace(one, entry=replace(one.entry, source=source))


def test_tests_of_one_side_are_new_or_removed():
    found = compare(
        run(sourced("a", "x"), sourced("b", "y")), run(sourced("b", "y"), sourced("c", "z", GROWN))
    )
    assert said(found) == {"b": "ok", "c": "new", "a": "removed"}
    assert not found.failed


def test_a_renamed_test_is_held_to_what_it_was():
    old = run(sourced("a[1]", "x"), sourced("b", "y"), sourced("c", "z"))
    found = compare(old, run(sourced("d[1]", "x", GROWN), sourced("b", "y"), sourced("e[2]", "z")))
    assert {it.test: (it.former, word(it)) for it in found.tests} == {
        "d[1]": ("a[1]", "regressed"),
        "b": (None, "ok"),
        "e[2]": (None, "new"),
        "c": (None, "removed"),
    }


def test_an_entry_that_knows_no_source_is_no_rename():
    nameless = replace(entry(private=1), source="")
    assert said(compare(entries(a=nameless), entries(b=nameless))) == {"b": "new", "a": "removed"}


def test_a_test_that_may_be_there_is_neither_removed_nor_renamed():
    old, new = run(sourced("a", "x"), sourced("b", "y")), run(sourced("c", "x"))
    assert said(compare(old, new)) == {"c": "ok", "b": "removed"}
    found = compare(old, new, lambda test: test == "a")
    assert said(found) == {"c": "new", "b": "removed"}
    assert found.unrun == ("a",)
    assert "failed or did not run them: 1 test" in as_text(found, unchanged=False)


@pytest.mark.parametrize(
    ("fields", "unrun"),
    [
        ({}, []),
        ({"failures": (Failure("b", "E"),)}, ["b"]),
        ({"invocation": Invocation(("-k", "a"))}, ["b", "c"]),
        ({"complete": False}, ["b", "c"]),
        ({"invocation": Invocation(("a.py",)), "stale": ("c",)}, ["b"]),
        ({"invocation": Invocation(joined=True)}, ["b", "c"]),
    ],
)
def test_a_run_of_some_tests_removes_no_others(tmp_path, capsys, fields, unrun):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(baseline_text.dumps(baseline(a=ONE, b=ONE, c=ONE)))
    new.write_text(document_text.dumps(Document(records=(record("a"),), **fields)))
    assert main(["compare", "--json", str(old), str(new)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["unrun"] == unrun
    removed = [one["test"] for one in data["tests"] if one["verdict"] == "removed"]
    assert sorted([*removed, *unrun]) == ["b", "c"]


def test_plain_tests_are_in_no_baseline_and_not_compared():
    assert run(record("a", plain=True)) == {}


def test_profiles_of_one_side_are_told_of():
    one, *others = (replace(record("t"), profile=f"linux-{letter}") for letter in "xyzw")
    found = compare(run(one, others[0]), run(one, *others[1:]))
    assert (found.only_old, found.only_new) == (("linux-y",), ("linux-w", "linux-z"))
    told = as_text(found, unchanged=False)
    assert "not compared, since the old side alone has it: profile linux-y" in told
    assert "not compared, since the new side alone has them: 2 profiles" in told


SOME = compare(
    run(record("tests/a.py::t_ok"), sourced("tests/a.py::t_grown", "x"), sourced("b.py::old", "y")),
    run(
        record("tests/a.py::t_ok"),
        sourced("tests/a.py::t_grown", "x", GROWN),
        sourced("b.py::new", "z"),
    ),
)


def test_what_changed_is_shown_the_worst_first():
    assert headline(SOME) == "1 of 4 tests is red: 1 regressed, 1 new, 1 ok, 1 removed"
    lines = as_text(SOME, unchanged=False).splitlines()
    rows = [line.split() for line in lines if "::" in line]
    assert [(cells[0], cells[-1]) for cells in rows] == [
        ("a::t_grown", "regressed"),
        ("b::new", "new"),
        ("b::old", "removed"),
    ]
    assert rows[0][1:8] == ["private", "5.00", "MiB", "8.00", "MiB", "+3.00", "MiB"]
    assert "a::t_ok" in as_text(SOME, unchanged=True)


@pytest.mark.parametrize(("width", "widest"), [(60, 81), (120, 120)])
def test_a_long_name_keeps_its_end_and_leaves_the_table_its_width(width, widest):
    long = sourced(f"t.py::t[{'x' * 3000}-end]", "x")
    found = compare(run(record("a.py::t")), run(record("a.py::t"), long))
    lines = as_text(found, unchanged=True, width=width).splitlines()
    assert max(map(len, lines)) == widest
    (row,) = (line for line in lines if "-end]  private" in line)
    assert row.startswith("...xxx")


def test_another_metric_has_a_row_where_it_changed():
    now = record("a.py::t", {**VALUES, "gc_collections": 30})
    text = as_text(compare(run(record("a.py::t")), run(now)), unchanged=False)
    rows = [line.split() for line in text.splitlines() if line.startswith("a::t ")]
    assert [(cells[1], cells[-1]) for cells in rows] == [
        ("private", "ok"),
        ("gc_collections", "regressed"),
    ]


def test_markdown_has_a_row_for_each_change():
    lines = as_markdown(SOME, unchanged=False).splitlines()
    assert lines[0] == f"**{headline(SOME)}**"
    row = "| `a::t_grown` | private | 5.00 MiB | 8.00 MiB | +3.00 MiB | regressed |"
    assert row in lines
    assert not any("t_ok" in line for line in lines)


@given(st.text(min_size=1))
def test_no_name_leaves_its_cell(name):
    found = compare(run(record("t")), run(sourced(f"t::{name}", "x")))
    lines = as_markdown(found, unchanged=True).splitlines()
    assert len(lines) == len(as_markdown(SOME, unchanged=True).splitlines()) - 2
    row = next(line for line in lines if line.startswith("| `"))
    assert row.replace("\\|", "").count("|") == 7


def test_json_has_all_of_it():
    data = json.loads(json.dumps(as_data(SOME)))
    assert data["failed"] is True
    by_test = {one["test"]: one for one in data["tests"]}
    grown = by_test["tests/a.py::t_grown"]
    assert grown["metrics"]["private"] == {
        "old": 5 * MIB,
        "new": 8 * MIB,
        "allowed": 64 * 1024,
        "verdict": "regressed",
    }
    assert by_test["b.py::old"]["verdict"] == "removed"


@pytest.fixture
def files(tmp_path):
    """Two reports and a baseline, by their names."""
    (tmp_path / "old.json").write_text(document_text.dumps(Document(records=(record("t"),))))
    failed = Failure("u", "AssertionError")
    new = Document(records=(record("t", GROWN),), failures=(failed,))
    (tmp_path / "new.json").write_text(document_text.dumps(new))
    (tmp_path / "baseline.json").write_text(baseline_text.dumps(baseline(t=record("t").entry)))
    (tmp_path / "other.json").write_text(
        baseline_text.dumps(Baseline({"elsewhere": Profile({}, {"t": entry(private=1)})}))
    )
    (tmp_path / "broken.json").write_text("{")
    return lambda *names: [str(tmp_path / f"{name}.json") for name in names]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("old", "old"), 0),
        (("baseline", "old"), 0),
        (("old", "new"), 1),
        (("baseline", "new"), 1),
        (("new", "baseline"), 0),
        (("old", "other"), 2),
        (("old", "broken"), 2),
        (("nowhere", "old"), 2),
    ],
)
def test_the_exit_code_tells_red_from_what_cannot_be_compared(files, names, code, capsys):
    assert main(["compare", *files(*names)]) == code
    printed = capsys.readouterr()
    assert bool(printed.out) == (code != 2)
    assert ("cowmem: " in printed.err) == (code == 2 or "new" in names[1:])


def test_output_that_finds_no_room_is_told_of_and_is_no_red_test(files):
    command = [sys.executable, "-m", "pytest_cowmem.cli", "compare", *files("old", "old")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "cowmem: the output cannot be written (No space left on device): make room\n",
    )


@pytest.mark.parametrize("text", ["", '{"format": 1, "rec', "[]", '{"format": 1}', "\x00" * 9])
def test_a_file_of_no_known_kind_is_called_neither(files, tmp_path, text, capsys):
    (tmp_path / "broken.json").write_text(text)
    assert main(["compare", *files("old", "broken")]) == 2
    assert "broken.json is neither a report nor a baseline (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<<<<<< ours\n", "baseline .*broken.json has merge conflict markers"),
        ('{"format": 1, "records": [{}]}', "the report .*broken.json is none"),
        ('{"format": 2, "profiles": []}', "the baseline .*broken.json is not one"),
    ],
)
def test_a_damaged_file_is_called_what_it_was(files, tmp_path, text, said, capsys):
    (tmp_path / "broken.json").write_text(text)
    assert main(["compare", *files("old", "broken")]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_closed_output_is_no_red_test(files):
    shell = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-m", "pytest_cowmem.cli", "compare"]
    done = subprocess.run([*shell, *files("old", "old")], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_formats_are_those_that_were_asked_for(files, capsys):
    main(["compare", "--json", *files("old", "new")])
    assert json.loads(capsys.readouterr().out)["failed"]
    main(["compare", "--md", *files("old", "new")])
    assert capsys.readouterr().out.startswith("**1 of 1 test is red")
