"""Red tests with an explanation, made by hand: a shop whose hook keeps what it had not kept."""

from dataclasses import replace

from records import MIB, VALUES, record

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

KIB = 2**10
SEEN = Container("shop.hooks.SEEN", "shop.hooks", 0, 9_000, 2 * MIB, "shop/hooks.py", 9)
POOL = Container("shop.db.POOL", "shop.db", 0, 5, 80 * KIB, "shop/db.py", 4)
FILL = Line("shop/hooks.py", 9, "remember", "shop.hooks", 2 * MIB + 200 * KIB, 0, 0, 0, ())
ASK = Line("shop/hooks.py", 3, "ask", "shop.hooks", 100 * KIB, 0, 0, 0, ())
VIEW = Line("shop/views.py", 7, "view", "shop.views", 3 * MIB, 0, 3 * MIB, 0, ())
FLASK = Line("", 0, "", "flask", 500 * KIB, 0, 0, 90 * KIB, ())
FULL = Collections("shop/views.py", 9, "shop.views", 2, 1, 400 * KIB)
SQLITE = LateImport("sqlite3", "sqlite3", "shop/views.py", 7, 900 * KIB)
ZLIB = LateImport("zlib", "zlib", "", 0, 70 * KIB)
MODULES = {
    "shop.hooks": 2 * MIB + 300 * KIB,
    "shop.views": 3 * MIB,
    "flask": 500 * KIB,
    "(collections)": 400 * KIB,
}
BEFORE = {**MODULES, "shop.hooks": 40 * KIB, "flask": 540 * KIB}
EXPLANATION = Explanation(
    measured={"private": 7 * MIB},
    explained=sum(MODULES.values()),
    gone=90 * KIB,
    tracer=0,
    unseen=0,
    lines=(VIEW, FILL, FLASK, ASK),
    collections=(FULL,),
    imports=(SQLITE, ZLIB),
    containers=(SEEN, POOL),
    modules=MODULES,
    objects=Overlay(9, (Resident("shop.data", MIB, 9, 9),), (Resident("str", MIB, 9, 9),), (), {}),
    advice=(
        Advice("share cache", "shop.hooks.SEEN grows", 2 * MIB, ("shop.hooks.SEEN",)),
        Advice("preload", "import sqlite3", 900 * KIB, ("sqlite3",)),
        Advice("threads", "threads are alive", None),
    ),
)


def red(
    test="t.py::test_a", *, modules=BEFORE, by=2 * MIB, leaks=0, explanation=EXPLANATION, **changes
):
    """A test whose `private` has grown by so many bytes, with the baseline's bytes by module.

    `leaks` are the bytes that stay in use a request.
    """
    before = {**VALUES, "growth": 0}
    now = {**before, "private": VALUES["private"] + by, "growth": leaks}
    found = record(test, values=now, accepted=before, explanation=explanation, **changes)
    accepted = replace(found.accepted, modules=modules) if modules is not None else found.accepted
    return replace(found, accepted=accepted)
