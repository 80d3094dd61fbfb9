"""Parts of a run are made one, and what contradicts is refused by name."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import MIB, VALUES, entry, record

from pytest_cowmem.cli import main
from pytest_cowmem.judge.shards import one_baseline, one_document
from pytest_cowmem.model import baseline_text, document_text
from pytest_cowmem.model.baseline import Baseline, Change, Profile
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.what_if import Advised, Outcome

GROWN = {**VALUES, "private": 8 * MIB}


def merged(*runs):
    return one_document([(f"{at}.json", run) for at, run in enumerate(runs, 1)])


def test_shards_are_one_run():
    one = Document(records=(record("a"),), tests=2, failures=(Failure("f", "E"),), unfit=("a",))
    two = Document(records=(record("b"), record("c")), tests=2)
    both = merged(one, two)
    assert [it.test for it in both.records] == ["a", "b", "c"]
    assert (both.tests, both.failures, both.unfit) == (4, one.failures, ("a",))
    assert not both.passed


def test_jobs_of_a_matrix_are_one_run_with_a_record_for_each_profile():
    other = replace(record("a", GROWN), profile="linux-y")
    both = merged(
        Document(records=(record("a"),), profiles=("linux-x",)),
        Document(records=(other,), profiles=("linux-y", "linux-x")),
    )
    assert set(both.environments) == {"linux-x", "linux-y"}
    assert both.profiles == ("linux-x", "linux-y")


def test_a_test_with_other_figures_is_refused_by_name():
    with pytest.raises(UsageError, match=r"^a has other figures in 1\.json than in 2\.json"):
        merged(Document(records=(record("a"),)), Document(records=(record("a", GROWN),)))


def test_the_same_record_twice_is_one():
    one = Document(records=(record("a"),))
    assert merged(one, one) == one


WHOLE = Document(
    records=(record("a"),),
    failures=(Failure("f", "E"),),
    unfit=("a",),
    head=Commit("0" * 40),
    base=Commit("1" * 40),
    baseline="memory.json",
    profiles=("linux-x",),
    reference={"linux-x": {"private": 1}},
    gated=("private",),
    tests=1,
    broken=("b.py",),
    complete=False,
    stale=("gone",),
    unmeasured=("c skipped itself",),
    invocation=Invocation(("a.py",)),
    update="all",
    strict=True,
    changes=(Change("linux-x", "a", None, entry(private=1)),),
    refused="read-only",
    usage_error="wrong",
    unverified="free-threaded",
    explain=True,
    ci=True,
    host_memory=1,
    advised=(Advised("shop", "shop:app", 1),),
    reported=("run.json",),
    unreported=("x.html",),
)


def test_a_single_part_is_itself_but_for_the_files_it_was_written_into():
    defaults = Document()
    names = {field.name for field in fields(Document)}
    assert {name for name in names if getattr(WHOLE, name) == getattr(defaults, name)} == set()
    assert merged(WHOLE) == replace(WHOLE, reported=(), unreported=())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": Commit("1" * 40)}, "another commit"),
        ({"baseline": "other.json"}, r"another baseline \(cowmem-baseline.json and other.json\)"),
        ({"host_memory": 1}, "another cowmem_host_memory"),
    ],
)
def test_parts_of_other_runs_are_refused(changes, said):
    one = Document(head=Commit("0" * 40))
    with pytest.raises(UsageError, match=f"1.json and 3.json have {said}"):
        merged(one, one, replace(one, **changes))


def test_a_part_that_knows_no_commit_is_of_the_others():
    whole = merged(
        Document(), Document(head=Commit("0" * 40)), Document(head=Commit("0" * 40, True))
    )
    assert whole.head == Commit("0" * 40, True)


def test_stale_is_what_no_part_measured():
    one = Document(records=(record("a"),), stale=("b", "gone"))
    two = Document(records=(record("b"),), failures=(Failure("c", "E"),), stale=("c", "also gone"))
    assert merged(one, two).stale == ("gone", "also gone")


def test_a_run_is_complete_only_where_all_parts_are():
    assert merged(Document(), Document()).complete
    assert not merged(Document(), Document(complete=False)).complete


def test_what_any_part_says_is_said_once():
    added = Change("linux-x", "a", None, entry(private=1))
    one = Document(refused="read-only", unverified="free-threaded", changes=(added,), update="new")
    two = Document(refused="read-only", unverified="debug", changes=(added,), update="new", ci=True)
    both = merged(one, two)
    assert (both.refused, both.unverified) == ("read-only", "free-threaded; debug")
    assert (both.changes, both.update, both.ci) == ((added,), "new", True)
    assert merged(one, Document()).update is None


def test_what_picked_a_shard_s_tests_does_not_pick_the_whole_run_s():
    one = Document(invocation=Invocation(("a.py",), "..", "b.json"))
    two = Document(invocation=Invocation(("b.py",), "..", "b.json"))
    assert merged(one, two).invocation == Invocation((), "..", "b.json", joined=True)
    assert merged(one, one).invocation == one.invocation


def test_shards_of_some_tests_are_of_some_tests_together_too():
    picked, whole = (Document(invocation=Invocation(words)) for words in (("-k", "a"), ()))
    assert merged(picked, whole, whole).invocation.of_some
    assert merged(merged(picked, whole), whole).invocation.of_some
    assert not merged(whole, Document(invocation=Invocation(root=".."))).invocation.of_some


def test_an_app_follows_what_its_test_with_fewest_workers_says():
    few, many = (
        Advised("shop", "shop:app", before, Outcome(name, Policy(freeze=True)))
        for before, name in ((10, "frozen"), (90, "prewarmed"))
    )
    parts = [Document(advised=(many,)), Document(advised=(few,)), Document(advised=(many,))]
    assert merged(*parts).advised == (few,)


@given(st.permutations(range(4)))
def test_no_record_is_lost_in_any_order(order):
    parts = [Document(records=(record(f"t{at}"),), tests=1) for at in order]
    whole = merged(*parts)
    assert {it.test for it in whole.records} == {"t0", "t1", "t2", "t3"}
    assert document_text.loads(document_text.dumps(whole)) == whole


def of(profile="p", **tests):
    return Baseline({profile: Profile({}, tests)})


def test_baselines_are_joined_by_profile_and_test():
    one, two = entry(private=1), entry(private=2)
    whole = one_baseline([("a", of(a=one)), ("b", of("q", a=two)), ("c", of(b=two, a=one))])
    assert whole == Baseline({"p": Profile({}, {"a": one, "b": two}), "q": Profile({}, {"a": two})})
    with pytest.raises(UsageError, match=r"^a has other figures in x or y than in z \(profile p\)"):
        one_baseline([("x", of(a=one)), ("y", of(b=one)), ("z", of(a=two))])


@pytest.fixture
def write(tmp_path):
    """`write(name, run_or_baseline)` writes a file, and returns its path."""

    def run(name, value):
        path = tmp_path / name
        text = baseline_text if isinstance(value, Baseline) else document_text
        path.write_text(text.dumps(value))
        return str(path)

    return run


def test_the_command_writes_one_file_of_several(write, tmp_path, capsys):
    one = write("one.json", Document(records=(record("a"),)))
    two = write("two.json", Document(records=(record("b"),)))
    out = tmp_path / "run.json"
    assert main(["merge", one, two, "-o", str(out)]) == 0
    assert [it.test for it in document_text.loads(out.read_text()).records] == ["a", "b"]
    assert capsys.readouterr().out == f"merged: {out}\n"


def test_the_command_refuses_what_is_of_two_kinds_and_writes_nothing(write, tmp_path, capsys):
    one = write("one.json", Document(records=(record("a"),)))
    two = write("two.json", of(a=entry(private=1)))
    assert main(["merge", one, two, "-o", str(tmp_path / "run.json")]) == 1
    assert "merge files of one kind" in capsys.readouterr().err
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("name", ["run.md", "run.html", "run.badge.json", "run"])
def test_baselines_are_merged_into_no_report(write, tmp_path, name, capsys):
    one, out = write("one.json", of(a=entry(private=1))), tmp_path / "cowmem-baseline.json"
    assert main(["merge", one, "-o", str(out), "-o", str(tmp_path / name)]) == 1
    assert f"{name} is not by its name: end it in .json" in capsys.readouterr().err
    assert not out.exists()
    assert main(["merge", one, "-o", str(out)]) == 0


def test_a_file_that_cannot_be_read_is_not_overwritten(write, tmp_path, capsys):
    out = tmp_path / "cowmem-baseline.json"
    out.write_text("<<<<<<< ours\n")
    one = write("one.json", of(a=entry(private=1)))
    assert main(["merge", one, "-o", str(out)]) == 1
    assert "merge conflict markers" in capsys.readouterr().err
    assert out.read_text() == "<<<<<<< ours\n"


def test_a_report_is_written_in_other_formats(write, tmp_path, capsys):
    run = Document(records=(record("a"),))
    out = tmp_path / "again.json"
    assert main(["report", write("run.json", run), "-o", str(out)]) == 0
    assert document_text.loads(out.read_text()) == run
    assert main(["report", write("run.json", run), "-o", str(out), "-o", "x.docx"]) == 1
    assert "no report is made as x.docx" in capsys.readouterr().err
