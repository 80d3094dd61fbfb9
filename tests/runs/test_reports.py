"""`--cowmem-report`: the run in files, and what is said of them."""

import json

from pytest_cowmem.model.document_text import loads

TESTS = """
    import pytest

    def test_quiet(cow_worker):
        cow_worker.get("/")

    def test_broken(cow_worker):
        assert cow_worker.get("/").status_code == 500

    @pytest.mark.mem_budget(private="64 MiB")
    def test_plain():
        pass
"""


def test_the_run_is_written_with_what_failed_before_it_was_measured(project, pytester):
    result = project(TESTS, "--cowmem-report", "run.json")
    result.stdout.fnmatch_lines(["report: run.json"])
    document = loads((pytester.path / "run.json").read_text())
    file = result.outlines and document.records[0].test.partition("::")[0]
    assert [one.test for one in document.records] == [f"{file}::test_quiet", f"{file}::test_plain"]
    assert [(one.test, one.place) for one in document.failures] == [
        (f"{file}::test_broken", f"{file}:6")
    ]
    assert document.failures[0].reason.startswith("AssertionError: assert 200 == 500")
    assert all(one.measurement.map for one in document.records)
    assert not document.passed
    assert document.head is None  # of no repository


def test_a_report_that_could_not_be_written_ends_the_run_before_it_begins(project):
    for path, said in [
        ("run.docx", "*no report is made as run.docx*"),
        ("missing/run.json", "*its folder does not exist*"),
        (".", "*no report is made as*"),
    ]:
        result = project(TESTS, "--cowmem-report", path)
        assert result.ret == 4
        result.stderr.fnmatch_lines([said])


def test_a_report_that_cannot_be_written_at_the_end_fails_the_run(project, pytester):
    pytester.mkdir("reports")
    result = project(
        """
        import pathlib

        def test_quiet(cow_worker):
            pathlib.Path("reports").rename("moved") if pathlib.Path("reports").exists() else None
        """,
        "--cowmem-report",
        "reports/run.json",
        "--cowmem-report",
        "other.json",
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["report: other.json", "*cannot be written (No such file*"])
    assert json.loads((pytester.path / "other.json").read_text())["reported"] == []
