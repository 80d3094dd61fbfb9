"""The JSON report of a run: what is written is read back, by its schema too."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import document_schema
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import MIB, record

from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.document_text import dumps, loads
from pytest_cowmem.model.errors import UsageError

RUN = Document(
    records=(record(), record("tests/test_b.py::test_über", limits={"private": MIB})),
    failures=(Failure("tests/test_c.py::test_c", "AssertionError", "tests/test_c.py:3"),),
    head=Commit("0" * 40, True),
    profiles=("linux-x",),
)


def test_a_run_comes_back_as_it_was():
    assert loads(dumps(RUN)) == RUN


def test_a_record_has_a_line_so_that_a_diff_reads_well():
    assert dumps(RUN).count('\n{"test": ') == 2


def test_the_schema_that_is_shipped_is_of_this_document():
    assert document_schema.FILE.read_text() == document_schema.text(), "run `make schema`"


def test_a_report_fulfils_the_schema():
    schema = json.loads(document_schema.FILE.read_text())
    jsonschema.validate(json.loads(dumps(RUN)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(dumps(RUN)) | {"tests": "many"}, schema)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "support/reports").iterdir()))
def test_reports_of_all_formats_that_ever_were_are_read(path):
    assert loads(path.read_text(encoding="utf-8"), path.name).records


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "is none of --cowmem-report"),
        ('{"format": 99}', "upgrade"),
        ('{"format": true}', "is none of --cowmem-report"),
        ('{"format": 1, "records": [{}]}', "is none of --cowmem-report"),
        ('{"format": 1, "colour": 1}', "unknown key 'colour'"),
        ('{"format": 2, "records": []}', "upgrade"),
        ('{"format": 2, "profiles": {}}', "run.json is a baseline, and no report"),
        ('{"format": 1, "profiles": {}}', "run.json is a baseline, and no report"),
    ],
)
def test_what_is_no_report_is_refused_by_name(text, said):
    with pytest.raises(UsageError, match=said) as refused:
        loads(text, "run.json")
    assert "run.json" in str(refused.value)


def test_figures_that_no_run_has_are_refused():
    one = record("a")
    for records, said in (
        ((one, one), "it has a twice"),
        ((record("a", {"private": 2**64}),), "private has more than 64 bits"),
    ):
        with pytest.raises(UsageError, match=f"none of --cowmem-report .*{said}"):
            loads(dumps(Document(records=records)))
    two = Document(records=(one, replace(one, profile="linux-y")))
    assert loads(dumps(two)) == two


@given(st.data())
def test_a_damaged_report_is_read_or_refused(data):
    text = dumps(RUN)
    at = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 40))
    damaged = text[:at] + data.draw(st.text(max_size=4)) + text[at + length :]
    with suppress(UsageError):
        assert isinstance(loads(damaged), Document)


@pytest.mark.parametrize(
    "changes",
    [
        {"records": (record(limits={"private": 1}),)},
        {"failures": RUN.failures},
        {"unfit": ("tests/test_a.py::test_a",)},
        {"complete": False},
        {"broken": ("tests/test_a.py",)},
        {"refused": "read-only"},
        {"usage_error": "wrong"},
        {"records": (), "strict": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_run_has_passed_only_where_nothing_is_wrong(changes):
    green = Document(records=(record(),))
    assert green.passed
    assert not replace(green, **changes).passed
