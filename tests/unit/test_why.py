"""Where private bytes went, in words: what is said, in which order, and that it fits 80 columns."""

import itertools
from dataclasses import replace

import pytest

from pytest_cowmem.model.baseline import Entry
from pytest_cowmem.model.explanation import (
    Advice,
    Collections,
    Container,
    Explanation,
    LateImport,
    Line,
    Overlay,
    Resident,
)
from pytest_cowmem.model.measurement import Measurement
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import Judgment, Verdict
from pytest_cowmem.report import ranked, reasons, why

KIB, MIB = 2**10, 2**20
MEASURED = {
    "private": 3 * MIB,
    "copied": 2 * MIB,
    "fresh": MIB,
    "gc_copied": MIB // 2,
    "first": 2 * MIB,
}
ENCODER = ("json/encoder.py:200 JSONEncoder.encode", MIB)
SQLITE = ("sqlite3/dbapi2.py:9 connect", KIB)
VIEW = Line(
    "shop/views.py", 7, "View.<locals>.get", "shop.views", 2 * MIB, 0, 0, 0, (ENCODER, SQLITE)
)
CART = Line("shop/cart.py", 12, "add", "shop.cart", 300 * KIB, 0, 0, 0, ())
FLASK = Line("", 0, "", "flask", 200 * KIB, 0, 0, 0, ())
YOUNG = Collections("shop/cart.py", 12, "shop.cart", 0, 9, 400 * KIB)
OLD = Collections("", 0, "gc", 2, 1, 100 * KIB)
SMALL = Line("shop/cart.py", 13, "add", "shop.cart", 4 * KIB, 0, 0, 0, ())
NOTHING = Line("shop/cart.py", 14, "add", "shop.cart", 0, 0, 0, 0, ())
EXPLANATION = Explanation(
    measured=MEASURED,
    explained=3 * MIB,
    gone=0,
    tracer=30_000,
    unseen=64 * KIB - 1,
    lines=(VIEW, CART, FLASK, SMALL, NOTHING),
    collections=(YOUNG, OLD),
    imports=(
        LateImport("asyncio", "asyncio", "shop/views.py", 9, 300 * KIB),
        LateImport("ssl", "asyncio", "shop/views.py", 9, 20 * KIB),
        LateImport("zlib", "zlib", "", 0, 5 * KIB),
    ),
    containers=(
        Container("shop.views.CACHE", "shop.views", 1_000, 21_000, MIB, "shop/views.py", 12),
        Container("re._cache", "re", 0, 9, 64 * KIB, "", 0),
        Container("shop.cart.SMALL", "shop.cart", 0, 9, 64 * KIB - 1, "", 0),
        Container("shop.cart.FOURTH", "shop.cart", 0, 9, 64 * KIB, "", 0),
    ),
    modules={
        "shop.views": 2 * MIB,
        "gc": 100 * KIB,
        "flask": 200 * KIB,
        "shop.cart": 704 * KIB,
    },
    objects=Overlay(
        500,
        tuple(Resident(name, MIB, 500, 900) for name in ("shop.db", "typing", "re", "abc")),
        tuple(Resident(name, MIB, 500, 900) for name in ("str", "dict", "int", "list")),
        (),
        {},
    ),
    advice=(
        Advice("share cache", "shop.views.CACHE grows: bound it", MIB),
        Advice("preload", f"import asyncio {'and so on ' * 12}", MIB),
    ),
)
ENTRY = Entry({}, "source", "default", "here")


@pytest.fixture
def record():
    """`record(red=(), modules=None)` makes one with these metrics regressed, and that baseline."""

    def make(red=(), modules=None, verdict=Verdict.REGRESSED):
        return Record(
            test="test",
            profile="linux",
            environment={},
            app="shop:app",
            size=MIB,
            measurement=Measurement({}, {}, (), 1, 1),
            judgments=tuple(Judgment(metric, 9, 0, 1, 1, 0, verdict) for metric in red),
            verdict=Verdict.NEW,
            entry=ENTRY,
            failed=False,
            notes=(),
            accepted=None if modules is None else replace(ENTRY, modules=modules),
        )

    return make


@pytest.fixture
def said(record):
    """The lines that are said of a record and its explanation."""

    def lines(of=None, explanation=EXPLANATION):
        return why.why(reasons.reasons(of or record(), explanation)).splitlines()

    return lines


@pytest.fixture
def text(record):
    """What is said of the causes of a changed explanation, on one line."""

    def causes(measured=MEASURED, **changes):
        changed = replace(EXPLANATION, measured=measured, **changes)
        return " ".join(why.causes(reasons.reasons(record(), changed)).split())

    return causes


TEXT = """\
where 3.00 MiB went: 1.00 MiB fresh, 2.00 MiB copied (512 KiB by collections,
  1.50 MiB by reference counts and writes). The first request took 2.00 MiB of
  it. A traced round explains 100% of it; 29.3 KiB are the tracer's own.
kept: shop/views.py:12 fills shop.views.CACHE, 1,000 -> 21,000 entries, 1.00
  MiB
kept: re._cache, 0 -> 9 entries, 64.0 KiB
  private  line                function       most of it under
---------  ------------------  -------------  -------------------
 2.00 MiB  shop/views.py:7     View.get       json/encoder.py:200
  400 KiB  shop/cart.py:12     9 collections  generation 0
  300 KiB  shop/cart.py:12     add
  200 KiB  (flask)
  100 KiB  no line of the app  1 collection   generation 2
by module: shop.views 2.00 MiB, shop.cart 704 KiB, flask 200 KiB
on copied pages: objects of shop.db 1.00 MiB, typing 1.00 MiB, re 1.00 MiB;
  types str 1.00 MiB, dict 1.00 MiB, int 1.00 MiB
late imports: asyncio 320 KiB (shop/views.py:9), zlib 5.00 KiB
* share cache: shop.views.CACHE grows: bound it
* preload: import asyncio and so on and so on and so on and so on and so on and
  so on and so on and so on and so on and so on and so on and so on
"""


def test_all_that_is_said_in_order(said):
    assert "".join(f"{line.rstrip()}\n" for line in said()) == TEXT


def test_what_has_nothing_to_say_is_left_out(said):
    nothing = replace(
        EXPLANATION,
        lines=(NOTHING,),
        collections=(),
        imports=(),
        containers=(),
        modules={},
        objects=Overlay(0, (), (), (), {}),
        advice=(),
    )
    assert [line[:6] for line in said(explanation=nothing)] == ["where ", "  1.50", "  it. "]


def test_a_kernel_that_tells_no_causes_is_named(text):
    assert text({"private": 3 * MIB, "gc_copied": MIB}) == (
        "where 3.00 MiB went: this kernel does not tell what is fresh and what was copied. "
        "A traced round explains 100% of it; 29.3 KiB are the tracer's own."
    )


def test_who_copied_is_not_told_where_collections_were_not_recorded(text):
    assert text({"private": 3 * MIB, "fresh": MIB, "copied": 2 * MIB}).startswith(
        "where 3.00 MiB went: 1.00 MiB fresh, 2.00 MiB copied. A traced round "
    )


def test_collections_may_have_copied_more_than_is_left(text):
    more = {**MEASURED, "gc_copied": 3 * MIB}
    assert "(3.00 MiB by collections, 0 B by reference counts and writes)" in text(more)


def test_the_first_request_is_not_told_where_it_is_all_there_was(text):
    assert "first" not in text({**MEASURED, "first": 3 * MIB})
    assert "The first request took 3.00 MiB of it." in text({**MEASURED, "first": 3 * MIB - 1})


def test_what_came_where_nobody_listened_is_told(text):
    assert text(unseen=64 * KIB).endswith(
        "explains 100% of it; 64.0 KiB came where it did not listen; 29.3 KiB are the tracer's own."
    )


def test_the_share_that_is_explained_is_told(text):
    assert "explains 108% of it; 29.3 KiB" in text(explained=MIB * 325 // 100)
    assert "explains 50% of it; 29.3 KiB" in text(explained=MIB * 3 // 2)


def test_what_came_and_went_has_a_row_of_its_own(said):
    coming = (VIEW, replace(CART, gone=40 * KIB), replace(FLASK, gone=24 * KIB))
    rows = said(explanation=replace(EXPLANATION, lines=coming, gone=64 * KIB))
    assert [row.split() for row in rows if "(came and went)" in row] == [
        ["64.0", "KiB", "(came", "and", "went)", "shop/cart.py:12"]
    ]
    less = said(explanation=replace(EXPLANATION, lines=coming, gone=64 * KIB - 1))
    assert not [line for line in less if "came and went" in line]


def test_a_test_that_took_nothing_is_explained(text):
    assert text({"private": 0, "fresh": 0, "copied": 0}, explained=0) == (
        "where 0 B went: 0 B fresh, 0 B copied. "
        "A traced round explains 100% of it; 29.3 KiB are the tracer's own."
    )


LINES_FIRST = [VIEW, YOUNG, CART, FLASK, OLD, SMALL]
ORDERS = [
    ((), LINES_FIRST),
    (("private",), LINES_FIRST),
    (("private", "gc_pause"), LINES_FIRST),
    (("gc_pause",), [YOUNG, OLD, VIEW, CART, FLASK, SMALL]),
    (("gc_collections", "gc_collections_2"), [OLD, YOUNG, VIEW, CART, FLASK, SMALL]),
]


@pytest.mark.parametrize(("red", "order"), ORDERS)
def test_what_is_red_comes_first(record, red, order):
    for verdict in (Verdict.REGRESSED, Verdict.OVER):
        metrics = ranked.red_metrics(record(red, verdict=verdict))
        assert metrics == set(red)
        assert ranked.ranked(EXPLANATION, metrics) == order


def test_what_is_not_too_high_is_not_red(record):
    for verdict in set(Verdict) - {Verdict.REGRESSED, Verdict.OVER, Verdict.NOISY}:
        assert ranked.red_metrics(record(["gc_pause"], verdict=verdict)) == set()


@pytest.mark.parametrize(("measured", "red"), [(9, {"private"}), (8, set()), (None, set())])
def test_what_is_noisy_is_red_where_its_mean_is_too_high(record, measured, red):
    noisy = Judgment("private", measured, 9, None, 3, 5, Verdict.NOISY)
    assert ranked.red_metrics(replace(record(), judgments=(noisy,))) == red


def test_what_is_red_comes_first_in_the_text(record, said):
    lines = said(record(["gc_collections_2"]))
    assert lines[8].split()[2:4] == ["no", "line"]


@pytest.mark.parametrize(
    ("baseline", "sentence"),
    [
        (None, "by module: shop.views 2.00 MiB, shop.cart 704 KiB, flask 200 KiB"),
        ({}, "by module: shop.views 2.00 MiB, shop.cart 704 KiB, flask 200 KiB"),
        (
            {"shop.views": 2 * MIB, "shop.cart": 640 * KIB, "flask": 64 * KIB},
            "by module, since the baseline: flask +136 KiB, gc +100 KiB, shop.cart +64.0 KiB",
        ),
        (
            {"shop.cart": 640 * KIB + 1, "flask": 200 * KIB, "gc": MIB, "gone": MIB},
            "by module, since the baseline: shop.views +2.00 MiB, gone -1.00 MiB, gc -924 KiB, "
            "others +64.0 KiB",
        ),
        (
            {"shop.views": 2 * MIB, "shop.cart": 750 * KIB, "flask": 150 * KIB, "gc": 50 * KIB},
            "by module: shop.views 2.00 MiB, shop.cart 704 KiB, flask 200 KiB",
        ),
    ],
)
def test_modules_are_told_by_growth_where_any_grew(record, said, baseline, sentence):
    lines = said(record(modules=baseline))
    (at,) = [at for at, line in enumerate(lines) if line.startswith("by module")]
    told = [lines[at], *itertools.takewhile(lambda line: line.startswith("  "), lines[at + 1 :])]
    assert " ".join(map(str.strip, told)) == sentence


def test_late_imports_are_told_by_statement_however_small(said):
    def late(*imports):
        lines = said(explanation=replace(EXPLANATION, imports=imports))
        return [line for line in lines if line.startswith("late imports")]

    pairs = [
        LateImport(f"m{number}", "ab"[number % 2], "shop/views.py", 3, 4096) for number in range(4)
    ]
    assert late(*pairs) == [
        "late imports: a 8.00 KiB (shop/views.py:3), b 8.00 KiB (shop/views.py:3)"
    ]
    many = [LateImport(name, name, "", 0, 4096) for name in "abcde"]
    assert late(*many) == ["late imports: a 4.00 KiB, b 4.00 KiB, c 4.00 KiB, 2 more 8.00 KiB"]
    assert late(*many[:3]) == ["late imports: a 4.00 KiB, b 4.00 KiB, c 4.00 KiB"]
    assert late() == []


LONG = "services/recommendations/presentation/" + "a_module_with_a_name_of_its_own_" * 2 + ".py"
NAME = LONG.removesuffix(".py").replace("/", ".")


def test_no_path_or_name_makes_a_line_wider_than_a_terminal(said):
    long = replace(
        EXPLANATION,
        lines=(Line(LONG, 7, "view", NAME, MIB, 0, 0, 0, ((f"{LONG}:8 inner", MIB),)),),
        collections=(),
        imports=(LateImport(NAME, NAME, LONG, 3, MIB),),
        containers=(Container(f"{NAME}.RESULTS", NAME, 0, 1_000, MIB, LONG, 12),),
        modules={NAME: 3 * MIB},
        objects=Overlay(9, (Resident(NAME, MIB, 9, 9),), (Resident("str", MIB, 9, 9),), (), {}),
        advice=(Advice("share cache", f"{NAME}.RESULTS grows at {LONG}:12: bound it", MIB),),
    )
    lines = said(explanation=long)
    assert max(map(len, lines)) == 79
    assert sum("name_of_its_own_.py:12" in line for line in lines) == 2
    (row,) = [line for line in lines if line.startswith(" 1.00 MiB  ")]
    assert row == (
        " 1.00 MiB  ...h_a_name_of_its_own_.py:7  view        ...a_name_of_its_own_.py:8"
    )


def test_only_what_is_too_long_is_cut():
    for length, place in ((77, "m" * 77), (78, "..." + "m" * 74)):
        advice = Advice("preload", f"import {'m' * length}", MIB)
        assert why.bullet(advice) == f"* preload: import\n  {place}"
    place = "shop/a_view_of_25_letters.py"
    (text,) = why.table([replace(CART, path=place[:-2], line=7), CART], None)
    assert text.splitlines()[2].split()[2] == f"{place[:-2]}:7"


def test_the_table_is_no_wider_where_its_headers_are_the_widest_cells():
    (text,) = why.table([replace(FLASK, beside=((f"{LONG}:8 inner", MIB),))], None)
    assert [len(line) for line in text.splitlines()] == [48, 79, 79]
    narrow = replace(FLASK, function="a_function_whose_name_is_long", path="a.py", line=7)
    (text,) = why.table([narrow], None)
    assert text.splitlines()[2].split() == ["200", "KiB", "a.py:7", "...se_name_is_long"]


def test_what_grows_with_requests_is_told_first_however_small_and_with_how_much(said):
    lines = Container("shop.CARTS['a'].lines", "shop", 0, 100, 9 * KIB, "", 0, a_request=2.5)
    log = Container("shop.LOG", "shop", 0, 5_000, 5_000, "", 0, "bytes", 50.0)
    for first, told in (
        (lines, "kept: shop.CARTS['a'].lines, 0 -> 100 entries (2.5 a request), 9.00 KiB"),
        (log, "kept: shop.LOG, 0 -> 5,000 bytes (50 a request), 4.88 KiB"),
    ):
        kept = (first, replace(lines, name="shop.other"), EXPLANATION.containers[0])
        shown = said(explanation=replace(EXPLANATION, containers=kept))
        assert [line for line in shown if line.startswith("kept")] == [
            told,
            "kept: shop/views.py:12 fills shop.views.CACHE, 1,000 -> 21,000 entries, 1.00",
        ]
