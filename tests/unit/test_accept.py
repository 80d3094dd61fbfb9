"""A report is taken into a baseline as an update of the same run would write it."""

import shlex
from dataclasses import replace

import pytest
from records import CONDITIONS, MIB, VALUES, entry, record

from pytest_cowmem import options
from pytest_cowmem.cli import main
from pytest_cowmem.judge import update
from pytest_cowmem.judge.accept import accept, picked
from pytest_cowmem.model import baseline_text, document_text
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.report.view import view

PROFILE = CONDITIONS.profile
GROWN = {**VALUES, "private": 8 * MIB}
FEED, CART, OTHER = "tests/a.py::test_feed[a b]", "tests/a.py::test_cart", "tests/b.py::test_b"


def baseline(**profiles):
    return Baseline({key.replace("_", "-"): Profile({}, it) for key, it in profiles.items()})


OLD = baseline(
    linux_x={FEED: entry(**VALUES), CART: entry(**VALUES), "gone": entry(private=1)},
    darwin={FEED: entry(private=1)},
)
RUN = Document(
    records=(
        record(FEED, GROWN, accepted=VALUES),
        record(CART, GROWN, accepted=VALUES),
        record(OTHER),
    ),
    profiles=(PROFILE,),
    stale=("gone",),
)


def accepted(run=RUN, names=(), old=OLD, mode="changed"):
    return accept(run, picked(run, names), old, mode, named=bool(names))


def private(found):
    return {
        test: it.metrics["private"] // MIB for test, it in found.profiles[PROFILE].tests.items()
    }


def test_a_profile_without_the_references_figures_takes_those_of_the_run():
    figures, other = {"private": 4 * MIB}, {"private": 5 * MIB}
    run = replace(RUN, reference={PROFILE: figures, "unheard-of": figures})
    written = accepted(run)[0]
    assert written.profiles[PROFILE].reference == figures
    assert "unheard-of" not in written.profiles
    known = OLD.with_profile(PROFILE, replace(OLD.profiles[PROFILE], reference=other))
    assert accepted(run, old=known)[0].profiles[PROFILE].reference == other


def test_all_that_differs_is_written_and_what_is_stale_removed():
    new, changes = accepted()
    assert private(new) == {FEED: 8, CART: 8, OTHER: 5}
    assert [change.test for change in changes] == [FEED, CART, OTHER, "gone"]
    assert new.profiles["darwin"] == OLD.profiles["darwin"]
    assert accepted(old=new)[1] == []


@pytest.mark.parametrize(
    ("names", "tests"),
    [
        ([FEED], [FEED]),
        (["tests/a.py::test_feed"], [FEED]),
        (["tests/a.py"], [FEED, CART]),
        (["tests/"], [FEED, CART, OTHER]),
        (["."], [FEED, CART, OTHER]),
        (["./tests/a.py::test_feed"], [FEED]),
        ([f"./{OTHER}", "tests//a.py"], [FEED, CART, OTHER]),
        ([OTHER, CART], [CART, OTHER]),
    ],
)
def test_named_tests_alone_are_written_and_nothing_removed(names, tests):
    new, changes = accepted(names=names)
    assert [change.test for change in changes] == tests
    assert "gone" in private(new)


def test_the_command_that_a_run_prints_accepts_the_failed_tests_alone():
    told = view(replace(RUN, invocation=replace(RUN.invocation, report="run.json"))).accept
    words = shlex.split(told.removeprefix("to accept: ").partition(", then")[0])
    assert words == ["cowmem", "accept", "run.json", FEED, CART]
    assert [change.test for change in accepted(names=words[3:])[1]] == [FEED, CART]


@pytest.mark.parametrize(("mode", "tests"), [("new", [OTHER]), ("tighten", []), ("all", None)])
def test_a_mode_is_that_of_an_update(mode, tests):
    changes = accepted(mode=mode)[1]
    assert [change.test for change in changes] == (tests or [FEED, CART, OTHER, "gone"])[
        : len(changes)
    ]
    assert len(changes) == (4 if tests is None else len(tests))


def test_an_incomplete_run_removes_nothing():
    assert "gone" in private(accepted(replace(RUN, complete=False))[0])


def test_figures_are_judged_by_the_baseline_at_hand():
    mine = baseline(linux_x={FEED: entry(**GROWN), CART: entry(**VALUES)})
    assert [change.test for change in accepted(old=mine)[1]] == [CART, OTHER]


def test_a_budget_that_is_exceeded_hides_no_growth():
    over = replace(RUN, records=(record(FEED, GROWN, {"private": MIB}, accepted=VALUES),))
    assert private(accepted(over)[0])[FEED] == 8


@pytest.mark.parametrize(("values", "written"), [(VALUES, 5), (GROWN, 8)])
def test_a_renamed_test_takes_the_entry_over(values, written):
    renamed = record("tests/a.py::test_new", values, accepted=VALUES)
    new, _ = accepted(Document(records=(renamed,), stale=(CART,)))
    assert private(new) == {FEED: 5, "gone": 0, "tests/a.py::test_new": written}


def test_an_entry_says_how_many_layouts_it_is_of():
    measurement = replace(RUN.records[2].measurement, layouts={"private": (5 * MIB, 6 * MIB)})
    two = replace(RUN.records[2].entry, layouts=2)
    run = Document(records=(replace(RUN.records[2], measurement=measurement, entry=two),))
    assert accepted(run)[0].profiles[PROFILE].tests[OTHER].layouts == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests/a.py::test_fed", r"no test tests/a\.py::test_fed: it has tests/a\.py::test_feed"),
        ("", "no test '': it has"),  # a variable of the shell that is not set accepts nothing
        ("t::failed", r"t::failed failed before it was measured: .* \(AssertionError\)"),
        ("t::plain", "t::plain is a plain test"),
        ("t::unfit", "t::unfit failed after it was measured"),
    ],
)
def test_a_name_that_cannot_be_accepted_is_refused_with_the_reason(name, said):
    run = replace(
        RUN,
        records=(*RUN.records, record("t::plain", plain=True), record("t::unfit")),
        unfit=("t::unfit",),
        failures=(Failure("t::failed", "AssertionError"),),
    )
    with pytest.raises(UsageError, match=said):
        picked(run, [FEED, name])
    assert picked(run, []) == [*RUN.records]


def test_a_run_that_measured_nothing_is_refused():
    with pytest.raises(UsageError, match="no measured test"):
        picked(Document(records=(record(plain=True),)), [])


def test_modes_are_those_of_the_option():
    assert update.MODES == options.UPDATES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a baseline and a report, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cowmem-baseline.json").write_text(baseline_text.dumps(OLD))
    (tmp_path / "run.json").write_text(document_text.dumps(RUN))
    return tmp_path


def read(folder, name="cowmem-baseline.json"):
    return baseline_text.loads((folder / name).read_text())


def test_the_command_says_what_it_wrote(folder, capsys):
    assert main(["accept", "run.json", FEED]) == 0
    assert private(read(folder))[FEED] == 8
    assert private(read(folder))[CART] == 5
    assert capsys.readouterr().out == f"baseline: changed  {FEED}  private 5.00 MiB -> 8.00 MiB\n"
    assert main(["accept", "run.json", FEED]) == 0
    assert "nothing of run.json differs from cowmem-baseline.json" in capsys.readouterr().out


def test_what_is_noisy_is_named(folder, capsys):
    measurement = replace(RUN.records[2].measurement, spread={"private": MIB})
    noisy = Document(records=(replace(RUN.records[2], measurement=measurement),))
    (folder / "run.json").write_text(document_text.dumps(noisy))
    main(["accept", "run.json"])
    assert f"not accepted: {OTHER} is noisy" in capsys.readouterr().out
    assert OTHER not in private(read(folder))
    main(["accept", "run.json", "--mode", "all"])
    assert OTHER in private(read(folder))


def test_a_baseline_that_the_run_had_and_is_not_here_is_not_made_anew(folder, capsys):
    (folder / "cowmem-baseline.json").unlink()
    assert main(["accept", "run.json"]) == 1
    assert "there is no baseline cowmem-baseline.json: go to its folder" in capsys.readouterr().err
    assert not (folder / "cowmem-baseline.json").exists()
    (folder / "run.json").write_text(document_text.dumps(replace(RUN, profiles=())))
    assert main(["accept", "run.json", "--baseline", "first.json"]) == 0
    assert set(private(read(folder, "first.json"))) == {FEED, CART, OTHER}


@pytest.mark.parametrize("damaged", ["run.json", "cowmem-baseline.json"])
def test_a_damaged_file_is_refused_and_left_as_it_is(folder, damaged, capsys):
    kept = {path.name: path.read_text() for path in folder.iterdir()} | {damaged: "{"}
    (folder / damaged).write_text("{")
    assert main(["accept", "run.json"]) == 1
    assert f"{damaged} is not JSON" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in folder.iterdir()} == kept
