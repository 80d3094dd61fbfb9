"""Reports for services: a badge, findings at lines, gauges; and the suffixes that ask for them."""

import json
import os
from dataclasses import replace

import pytest
from explained import red
from hostile_run import hostile_run
from hypothesis import given
from hypothesis import strategies as st
from records import VALUES, record

from pytest_cowmem.files.report import load, write
from pytest_cowmem.judge.budget import parse_tolerance_lines
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.report import badge, codequality, openmetrics
from pytest_cowmem.report.files import dumps_for

GREEN = record("t.py::test_ok", accepted=VALUES)
RED = red("tests/test_memory.py::test_feed", place="tests/test_memory.py:12")
TOLERANCES = parse_tolerance_lines(["private = 1 %", "gc_collections = 5 %", "gc_pause = 5 ms"])


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a.badge.json", badge),
        ("gl.codequality.json", codequality),
        ("a.b.metrics.txt", openmetrics),
    ],
)
def test_the_longest_suffix_counts(name, module):
    assert dumps_for(name) is module.dumps


@pytest.mark.parametrize("name", ["metrics.txt", "run.txt", "md"])
def test_a_name_without_a_known_suffix_is_refused(name):
    with pytest.raises(UsageError, match="no report is made as"):
        dumps_for(name)


@pytest.mark.parametrize("name", ["run.json", "run.md", "run.metrics.txt", "run.codequality.json"])
def test_a_text_that_is_no_unicode_is_written_all_the_same(name, tmp_path):
    reason = os.fsdecode(b"no file \xff")
    failed = replace(RED, test=f"t.py::test_a[{reason}]", tolerances=TOLERANCES)
    document = Document(records=(failed,), failures=(Failure("t.py::test_b", reason),))
    write(document, tmp_path / name)
    if name == "run.json":
        assert load(tmp_path / name).failures == document.failures


def test_a_badge_has_the_counts_and_no_test():
    for records, message, color in (
        ((GREEN,), "1 test, none regressed", "brightgreen"),
        ((GREEN, RED), "1 of 2 regressed", "red"),
    ):
        assert json.loads(badge.dumps(Document(records=records))) == {
            "schemaVersion": 1,
            "label": "memory gate",
            "message": message,
            "color": color,
        }


def test_a_finding_is_at_the_line_to_blame_or_else_at_the_test():
    unexplained = replace(RED, test="t.py::test_b", explanation=None)
    document = Document(records=(GREEN, RED, unexplained), invocation=Invocation(root="shop"))
    first, second = json.loads(codequality.dumps(document))
    assert first["location"] == {"path": "shop/shop/hooks.py", "lines": {"begin": 9}}
    assert second["location"] == {"path": "shop/tests/test_memory.py", "lines": {"begin": 12}}
    assert first["description"].startswith("test_feed: private has regressed by 2.00 MiB")
    assert (first["check_name"], first["severity"]) == ("cowmem regressed", "major")
    assert first["fingerprint"] != second["fingerprint"]


def test_a_finding_is_known_again_in_another_run():
    worse = red(RED.test, by=3 * 2**20, place="tests/test_memory.py:99")
    (one,), (other,) = (
        json.loads(codequality.dumps(Document(records=(it,)))) for it in (RED, worse)
    )
    assert one["fingerprint"] == other["fingerprint"]


def test_gauges_are_of_what_is_gated_and_no_time():
    text = openmetrics.dumps(Document(records=(replace(GREEN, tolerances=TOLERANCES),)))
    labels = '{test="t.py::test_ok",profile="linux-x"}'
    assert text.splitlines() == [
        "# TYPE cowmem_private_bytes gauge",
        "# UNIT cowmem_private_bytes bytes",
        f"cowmem_private_bytes{labels} 5242880",
        "# TYPE cowmem_gc_collections gauge",
        f"cowmem_gc_collections{labels} 3",
        "# EOF",
    ]


@given(st.text())
def test_nothing_of_others_breaks_a_format(text):
    run = hostile_run(text)
    gauges = replace(run, records=tuple(replace(it, tolerances=TOLERANCES) for it in run.records))
    lines = openmetrics.dumps(gauges).split("\n")
    assert len(lines) == 2 + 3 + 2 * len(run.records) + 1 - 1
    assert all(line.startswith(("# ", "cowmem_")) for line in lines if line)
    for finding in json.loads(codequality.dumps(run)):
        assert finding["location"]["lines"]["begin"] >= 1
    badge.dumps(run).encode()
