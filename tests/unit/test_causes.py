"""What is new in a red test's explanation, which cause it names first, and which tests share it."""

from dataclasses import replace

import pytest
from explained import (
    ASK,
    BEFORE,
    EXPLANATION,
    FILL,
    FLASK,
    FULL,
    KIB,
    MODULES,
    POOL,
    SEEN,
    VIEW,
    red,
)
from records import MIB, VALUES, record

from pytest_cowmem.model.app import App
from pytest_cowmem.model.cause import Cause, Shared
from pytest_cowmem.model.document import Document
from pytest_cowmem.model.invocation import Invocation
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.causes import causes, first_cause
from pytest_cowmem.report.failure import explain_failure
from pytest_cowmem.report.groups import Group, groups
from pytest_cowmem.report.reasons import reasons
from pytest_cowmem.report.view import view
from pytest_cowmem.run.causes import Causes

KEPT = Cause("container", "shop.hooks.SEEN", "shop/hooks.py:9", 2 * MIB)
READ = Cause("line", "view", "shop/views.py:7", 3 * MIB)
APP = App("shop:app")


def test_what_grew_is_named_first_and_not_what_is_large():
    assert causes(red()) == (KEPT, Cause("line", "ask", "shop/hooks.py:3", 100 * KIB))


def test_all_are_causes_where_the_baseline_does_not_tell_what_is_new():
    everything = [
        "shop/hooks.py:9 (container shop.hooks.SEEN)",
        "shop/views.py:7 (view)",
        "shop/views.py:7 (import sqlite3)",
        "shop/views.py:9 (collections of generation 2)",
        "shop/db.py:4 (container shop.db.POOL)",
        "import zlib",
        "shop/hooks.py:3 (ask)",
    ]
    shrunk = {**BEFORE, "shop.hooks": MODULES["shop.hooks"] - 64 * KIB + 1}
    for modules in (None, {}, shrunk):
        assert [cause.text for cause in causes(red(modules=modules))] == everything


def test_all_of_a_test_is_new_that_took_next_to_nothing():
    found = red(modules={})
    small = replace(found.accepted, metrics={**VALUES, "private": 64 * KIB - 1})
    shown = reasons(replace(found, accepted=small), EXPLANATION)
    assert shown.since_baseline
    assert shown.already is not None
    assert shown.modules[0] == ("shop.views", 3 * MIB)


@pytest.mark.parametrize(("leaks", "names"), [(0, ["SEEN", "ask"]), (600, ["POOL", "SEEN", "ask"])])
def test_what_grows_with_requests_comes_first_where_growth_is_red(leaks, names):
    """However little it is, and though its module is no larger than in the baseline."""
    growing = replace(POOL, bytes=40 * KIB, a_request=1.0)
    found = red(leaks=leaks, explanation=replace(EXPLANATION, containers=(SEEN, growing)))
    assert [cause.name.rpartition(".")[2] for cause in causes(found)] == names
    shown = reasons(found, found.explanation)
    kept = [container.name.rpartition(".")[2] for container in shown.containers]
    assert kept == [name for name in names if name != "ask"]
    assert (first_cause(found) is None) == bool(leaks)  # it is not what `private` grew by


def test_a_module_that_grew_by_less_than_half_does_not_make_the_rest_old():
    """What else grew is spread over many modules then."""
    assert len(causes(red(by=2 * MIB + 260 * KIB))) == 2
    assert len(causes(red(by=4 * MIB + 520 * KIB))) == 2
    assert len(causes(red(by=4 * MIB + 521 * KIB))) == 7


def test_a_part_is_new_by_what_its_module_grew_by_at_most():
    grown = {**BEFORE, "shop.hooks": BEFORE["shop.hooks"] + MIB, "shop.views": 2 * MIB}
    found = causes(red(modules=grown, by=MIB))
    assert [(cause.name, cause.bytes) for cause in found] == [
        ("shop.hooks.SEEN", MIB + 260 * KIB),
        ("sqlite3", 900 * KIB),
        ("view", MIB),
        ("ask", 100 * KIB),
    ]


def test_a_line_whose_memory_is_kept_or_imported_is_told_by_that():
    at_the_view = replace(SEEN, path="shop/views.py", line=7, bytes=MIB)
    explanation = replace(EXPLANATION, containers=(at_the_view,), imports=())
    names = [cause.name for cause in causes(red(modules=None, explanation=explanation))]
    assert names[:3] == ["view", "remember", "shop.hooks.SEEN"]
    half = replace(at_the_view, bytes=MIB + 512 * KIB)
    explanation = replace(explanation, containers=(half,))
    names = [cause.name for cause in causes(red(modules=None, explanation=explanation))]
    assert names[:2] == ["shop.hooks.SEEN", "remember"]
    assert "view" not in names


def test_a_late_import_is_new_where_its_line_or_else_the_import_system_grew():
    sizes = {**MODULES, "importlib": 80 * KIB}
    found = red(modules=MODULES, explanation=replace(EXPLANATION, modules=sizes), by=80 * KIB)
    assert [(cause.text, cause.bytes) for cause in causes(found)] == [("import zlib", 70 * KIB)]
    views = {**MODULES, "shop.views": 3 * MIB - 80 * KIB}
    assert [(cause.name, cause.bytes) for cause in causes(red(modules=views, by=80 * KIB))] == [
        ("sqlite3", 80 * KIB),
        ("view", 80 * KIB),
    ]


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ("growth", ["shop.hooks.SEEN", "shop.db.POOL"]),
        ("imports", ["sqlite3", "zlib"]),
        ("gc_collections_2", ["of generation 2"]),
        ("master", []),
        ("gc_full", []),
    ],
)
def test_causes_are_of_what_is_red(metric, named):
    now, old = {**VALUES, metric: 9 * MIB}, {**VALUES, metric: 0}
    limits = {"imports": 0} if metric == "imports" else {}
    found = record(values=now, accepted=old, limits=limits, explanation=EXPLANATION)
    assert found.failed
    assert [cause.name for cause in causes(found)] == named


def test_a_cause_that_is_less_than_half_of_the_growth_is_not_said_to_be_it():
    assert first_cause(red(by=4 * MIB)) == KEPT
    assert first_cause(red(by=4 * MIB + 2)) is None
    assert first_cause(replace(red(), explanation=None)) is None


def said(found):
    """What a failure says below its table, as one line."""
    text = " ".join(explain_failure(found, Invocation()).split())
    return text.partition("gc_collections")[2].partition(" ok ")[2]


def test_what_is_new_comes_first_in_the_text_and_what_is_old_is_one_line():
    text = explain_failure(red(), Invocation())
    (private, *_), why = text.split("\n\n")[:2], text.split("\n\n")[2]
    assert private.startswith("private has regressed by 2.00 MiB")
    assert [line.rstrip() for line in why.splitlines()] == [
        "by module, since the baseline: shop.hooks +2.25 MiB, others -40.0 KiB",
        "kept: shop/hooks.py:9 fills shop.hooks.SEEN, 0 -> 9,000 entries, 2.00 MiB",
        "  private  line             function    most of it under",
        "---------  ---------------  ----------  ------------------",
        " 2.20 MiB  shop/hooks.py:9  remember",
        "already in the baseline: 3 lines, 1 container and 2 imports, 3.92 MiB",
        "where 7.00 MiB went: this kernel does not tell what is fresh and what was",
        "  copied. A traced round explains 88% of it; 0 B are the tracer's own.",
        "* share cache: shop.hooks.SEEN grows",
        "* threads: threads are alive",
    ]
    assert len(text.splitlines()) <= 25


def test_what_is_old_is_not_told_where_it_is_little():
    for size, told in ((24 * KIB, True), (24 * KIB - 1, False)):
        sizes = {"shop.hooks": MODULES["shop.hooks"], "flask": size}
        explanation = replace(EXPLANATION, modules=sizes, lines=(FILL, FLASK), collections=())
        text = explain_failure(red(explanation=explanation), Invocation())
        assert ("already in the baseline: 1 line, 1 container and 2 imports, " in text) is told


def test_a_line_that_is_new_by_little_is_left_out():
    """The heap had to grow in the framework, and all but a little of it is kept elsewhere."""
    sizes = {**MODULES, "flask": MODULES["flask"] + 66 * KIB}
    line = replace(FLASK, bytes=9 * MIB)
    explanation = replace(EXPLANATION, modules=sizes, lines=(line, FILL, ASK))
    before = {**BEFORE, "flask": MODULES["flask"], "shop.hooks": MODULES["shop.hooks"] - 660 * KIB}
    assert reasons(red(modules=before, explanation=explanation, by=MIB), explanation).parts == (
        FILL,
        ASK,
        line,
    )
    before["shop.hooks"] -= 1
    shown = reasons(red(modules=before, explanation=explanation, by=MIB), explanation)
    assert shown.parts == (FILL, ASK)


def test_nothing_is_folded_where_the_baseline_does_not_tell_or_the_test_is_green():
    for found in (red(modules=None), red(modules={}), replace(red(), failed=False)):
        shown = reasons(found, EXPLANATION)
        assert shown.already is None
        assert shown.explanation is EXPLANATION
        assert [part.bytes for part in shown.parts] == [
            part.bytes for part in (VIEW, FILL, FLASK, FULL, ASK)
        ]


def test_objects_on_copied_pages_are_told_where_a_line_comes_first():
    assert reasons(red(), EXPLANATION).holders == ()
    views = {**MODULES, "shop.views": MIB}
    explanation = replace(EXPLANATION, imports=())
    shown = reasons(red(modules=views, explanation=explanation), explanation)
    assert shown.parts == (VIEW,)
    assert [holder.name for holder in shown.holders] == ["shop.data"]


def test_what_shrank_never_comes_first_where_anything_grew():
    before = {**MODULES, "shop.hooks": MODULES["shop.hooks"] - 8 * KIB, "shop.views": 5 * MIB}
    shown = reasons(red(modules=before), EXPLANATION)
    assert shown.modules == (("shop.hooks", 8 * KIB), ("shop.views", -2 * MIB))


def test_the_changes_by_module_add_up():
    before = {name: size - 65 * KIB for name, size in MODULES.items()} | {"gone": 99, "re": MIB}
    shown = reasons(red(modules=before), EXPLANATION)
    assert [name for name, _ in shown.modules] == [
        "(collections)",
        "flask",
        "shop.hooks",
        "re",
        "others",
    ]
    changed = sum(MODULES.values()) - sum(before.values())
    assert sum(change for _, change in shown.modules) == changed


def test_a_test_that_grew_alike_refers_to_the_other_and_claims_no_more():
    known = Causes()
    assert known.untraced(APP, replace(red(), explanation=None)) is None
    assert known.traced(APP, red()) == red()
    other = replace(red("t.py::test_b"), explanation=None)
    found = known.untraced(APP, other)
    assert found
    assert found.shared == Shared("t.py::test_a", KEPT)
    assert said(found) == (
        "grew as t.py::test_a did, whose explanation names shop/hooks.py:9 (container "
        "shop.hooks.SEEN). This test was not traced itself; run alone, it is "
        "to accept: pytest t.py::test_b --cowmem --cowmem-update, then commit the baseline"
    )
    assert known.untraced(App("shop:app", gc="freeze"), other) is None
    assert known.untraced(APP, replace(red("t.py::test_b", by=3 * MIB), explanation=None)) is None
    known.forget("t.py::test_a")
    assert known.untraced(APP, other) is None


def test_a_test_that_could_not_be_traced_explains_no_other():
    known = Causes()
    known.traced(APP, replace(red(), explanation=None))
    assert known.untraced(APP, replace(red("t.py::test_b"), explanation=None)) is None


def test_a_test_with_a_cause_that_was_explained_says_in_which_and_what_differs():
    known = Causes()
    known.traced(APP, red())
    views = {**BEFORE, "shop.views": MODULES["shop.views"] - MIB}
    found = known.traced(APP, red("t.py::test_b", modules=views, by=3 * MIB))
    assert found.explanation is not None
    besides = (Cause("import", "sqlite3", "shop/views.py:7", 900 * KIB), replace(READ, bytes=MIB))
    assert found.shared == Shared("t.py::test_a", KEPT, besides)
    assert said(found) == (
        "the same cause as in t.py::test_a, which is explained there: shop/hooks.py:9 "
        "(container shop.hooks.SEEN), 2.00 MiB by module, since the baseline: shop.hooks +2.25 "
        "MiB, shop.views +1.00 MiB, others -40.0 KiB new here, and not there: shop/views.py:7 "
        "(import sqlite3) 900 KiB, shop/views.py:7 (view) 1.00 MiB to accept: pytest "
        "t.py::test_b --cowmem --cowmem-update, then commit the baseline"
    )
    larger = (replace(FILL, bytes=5 * MIB), *EXPLANATION.lines)
    again = red("t.py::test_b", explanation=replace(EXPLANATION, lines=larger))
    assert [cause.name for cause in causes(again)][:2] == ["shop.hooks.SEEN", "remember"]
    assert known.traced(APP, again).shared == Shared("t.py::test_a", KEPT)  # its place is told
    third = known.traced(APP, red("t.py::test_c", by=4 * MIB))
    assert third.shared == Shared("t.py::test_a", KEPT)
    alike = known.untraced(APP, replace(red("t.py::test_e", by=4 * MIB), explanation=None))
    assert alike
    assert alike.shared == Shared("t.py::test_c", KEPT)  # it grew as that did, and not as test_a
    unknown = red("t.py::test_d", by=6 * MIB)
    assert known.traced(APP, unknown) == unknown


def test_five_are_traced_and_then_what_grew_more_than_all_before():
    known = Causes()

    def traced(by):
        found = replace(red(f"t.py::test_{by}", by=by * MIB), explanation=None)
        untraced = known.untraced(APP, found)
        if untraced is None:
            known.traced(APP, found)
        return untraced is None

    assert [traced(by) for by in (20, 3, 9, 5, 7)] == [True] * 5
    assert [traced(by) for by in (19, 4, 20)] == [False] * 3
    assert [traced(by) for by in (21, 20, 30, 40, 50, 60)] == [True, False, *[True] * 4]
    assert [traced(by) for by in (70, 800)] == [False] * 2


def test_a_test_that_was_left_out_says_so():
    known = Causes()
    for number in range(5):
        known.traced(APP, replace(red(f"t.py::{number}", by=number * MIB), explanation=None))
    found = known.untraced(APP, replace(red("t.py::test_b"), explanation=None))
    assert found
    assert said(found).startswith(
        "not traced, since 5 other red tests were; run alone, it is to accept"
    )
    shown = view(Document((found, red())))
    assert shown.causes == ("not traced, since 5 other red tests were: t::test_b",)


def test_red_tests_are_grouped_by_cause():
    alike = replace(red("t.py::test_b"), explanation=None, shared=Shared("t.py::test_a", KEPT))
    views = {**MODULES, "shop.views": MIB}
    explanation = replace(EXPLANATION, imports=())
    reading = red("t.py::test_d", modules=views, explanation=explanation)
    shared = replace(red("t.py::test_c"), shared=Shared("t.py::test_a", KEPT))
    unknown, green = red("t.py::test_e", by=6 * MIB), record(accepted=VALUES)
    records = (red(), alike, shared, reading, unknown, green)
    size = replace(READ, bytes=2 * MIB)
    assert groups(records) == [
        Group(KEPT, ["t.py::test_a", "t.py::test_c"], ["t.py::test_b"]),
        Group(size, ["t.py::test_d"]),
    ]
    assert groups([red(), red(app="shop:other")]) == [Group(KEPT, ["t.py::test_a"])] * 2
    assert view(Document(records)).causes == (
        "cause: shop/hooks.py:9 (container shop.hooks.SEEN), 2.00 MiB: t::test_a, t::test_c; "
        "grew alike, and not traced: t::test_b",
        "cause: shop/views.py:7 (view), 2.00 MiB: t::test_d",
    )
    assert view(Document((red(), unknown))).causes == ()
    many = [red(f"t.py::test_{number}") for number in range(12)]
    assert view(Document(tuple(many))).causes[0].endswith("t::test_9 and 2 more")


def test_a_record_that_shares_a_cause_survives_the_channel():
    found = replace(red(), shared=Shared("t.py::test_a", KEPT, (READ,)), left_out=5)
    assert Record.from_dict(found.to_dict()) == found
