"""Why a worker lost its shared pages, named in real rounds of real apps.

Lines, collections, imports, containers and objects are.
"""

from pathlib import Path

import pytest
from explaining import explain
from folders import APPS
from known_causes import __file__ as PROGRAMS

from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.model.app import App

ROOT = Path(PROGRAMS).parent
LINES = Path(PROGRAMS).read_text().splitlines()


def marked(name):
    """`path:line` of the line that ends in `# name`."""
    (number,) = [at for at, line in enumerate(LINES, 1) if line.endswith(f"# {name}")]
    return f"known_causes.py:{number}"


@pytest.fixture(scope="module")
def explained():
    """`explained(measure, zygote, body)` is the explanation of a body."""
    return lambda measure, zygote, body: explain(measure, zygote, body, ROOT)


@pytest.fixture(scope="module")
def known():
    """The explanations of causes, by the function's name."""
    return {}


@pytest.fixture
def cause(zygotes, measure, explained, known):
    """`cause(name)` explains a worker that did what the function of that name does, once."""
    zygote = zygotes.get(App("bare:quiet", pythonpath=[str(ROOT)], prepare="known_causes:empty"))

    def explain_once(name):
        if name not in known:
            known[name] = explained(
                measure, zygote, lambda client: client.call(f"known_causes:{name}")
            )
        return known[name]

    return explain_once


@pytest.mark.parametrize(
    "name",
    [
        "read_shared",
        "build_list",
        "fill_cache",
        "compile_pattern",
        "leak",
        "parse_json",
        "fill_sqlite",
        "in_thread",
    ],
)
def test_the_line_is_named_with_nine_tenths_of_the_bytes(cause, name):
    why = cause(name)
    assert why.lines[0].place == marked(name)
    assert why.lines[0].bytes >= 0.9 * sum(line.bytes for line in why.lines)
    assert 0.9 <= why.share <= 1.2
    assert why.private == pytest.approx(why.copied + why.fresh, rel=0.01, abs=16 * 4096)


def test_a_collection_is_named_with_its_line(cause):
    why = cause("collect")
    collection = why.collections[0]
    assert (collection.place, collection.generation, collection.times) == (marked("collect"), 2, 1)
    assert collection.bytes >= 0.9 * why.explained
    assert why.by_collections >= 0.9 * why.copied
    assert why.by_writes <= 0.1 * why.copied


def test_a_late_import_is_named_with_its_module(cause):
    why = cause("import_late")
    first = why.imports[0]
    assert (first.module, first.by, f"{first.path}:{first.line}") == (
        "pydoc_data.topics",
        "pydoc_data.topics",
        marked("import_late"),
    )
    assert sum(it.bytes for it in why.imports) >= 0.9 * why.lines[0].bytes
    assert why.modules["known_causes"] >= 0.9 * why.explained


def test_a_late_import_of_the_apps_own_is_told_with_all_its_bytes(cause):
    why = cause("import_own")
    assert why.lines[0].place == marked("import_own")
    assert {(it.module, f"{it.path}:{it.line}") for it in why.imports} == {
        ("late_causes", marked("import_own"))
    }
    assert sum(it.bytes for it in why.imports) >= 0.9 * why.private


def test_what_a_late_module_keeps_is_named(cause):
    why = cause("keep_in_late_module")
    kept = {it.name: it for it in why.containers}
    assert why.containers[0].name == "late_causes.SEEN"
    assert (kept["late_causes.SEEN"].before, kept["late_causes.SEEN"].after) == (0, 3_000)
    assert kept["late_causes.SEEN"].place == "late_causes.py:11"
    assert kept["late_causes.FIRST"].place == "late_causes.py:4"


KEPT = [
    ("keep_in_lazy_global", "LAZY", 3_000),
    ("fill_cache", "CACHE", 20_000),
    ("leak", "LEAKED", 5_000),
    ("keep_in_attribute", "SERVICE.history", 3_000),
    ("keep_in_closure", "make_counter.<locals>.count.kept", 3_000),
    ("keep_in_default", "keep_in_default.kept", 3_000),
    ("keep_in_lru_cache", "cached", 3_000),
    ("keep_on_one_of_two_lines", "CACHE", 3_000),
]


@pytest.mark.parametrize(("name", "container", "entries"), KEPT)
def test_what_the_app_keeps_is_named_with_the_line_that_fills_it(cause, name, container, entries):
    why = cause(name)
    kept = why.containers[0]
    assert (kept.name, kept.before, kept.after, kept.place) == (
        f"known_causes.{container}",
        0,
        entries,
        marked(name),
    )
    assert kept.bytes >= 0.9 * why.private


def test_objects_on_copied_pages_are_told_by_module_and_type(cause):
    objects = cause("read_shared").objects
    assert objects.modules[0].name == "known_causes"
    assert objects.modules[0].objects > 30_000
    assert {"dict", "str"} <= {it.name for it in objects.types[:4]}
    assert not any(
        it.name.startswith("pytest_cowmem.zygote.trace.traced_round") for it in objects.modules
    )


def test_an_idle_worker_is_told_to_have_done_nothing(zygotes, measure, explained):
    why = explained(measure, zygotes.get(App("bare:quiet")), lambda client: client.get("/"))
    assert why.explained <= 256 * 1024
    assert why.tracer <= 256 * 1024
    assert why.containers == ()


def browse(client):
    client.post("/login", data={"name": "ada", "password": "lovelace"})
    for name in ("a", "b", "c"):
        client.get("/me")
        client.get(f"/find/{name}")
        client.get("/feed")
        client.post("/json", json={"numbers": [1, 2]})


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_nine_tenths_of_a_frameworks_bytes_are_explained(
    zygotes, measure, explained, tmp_path, framework
):
    if framework == "flask":
        zygote = zygotes.get(App("flask_shop:app"))
    else:
        env = {"DJANGO_SHOP_DB": str(tmp_path / "shop.sqlite3")}
        zygote = zygotes.get(
            App("django_shop.wsgi:application", env=env, prepare="django_shop.wsgi:seed")
        )
    why = explained(measure, zygote, browse)
    assert why.private > 2**20
    assert 0.9 <= why.share <= 1.25
    assert {"apps/flask_shop.py", "apps/django_shop/urls.py"} & {
        line.path for line in why.lines[:5]
    }
    assert sum(why.modules.values()) == why.explained


def test_a_full_stack_ends_tracing_until_the_next_request_at_most(zygotes, measure, explained):
    zygote = zygotes.get(App("known_causes:app", pythonpath=[str(ROOT)]))
    why = explained(
        measure, zygote, lambda client: [client.get(path) for path in ("/fill", "/build")]
    )
    assert why.lines[0].place == marked("after_full_stack")
    assert why.share >= 0.9


def test_what_comes_after_warming_up_is_told_apart(zygotes, measure, explained):
    zygote = zygotes.get(App("bare:busy"))

    def body(client):
        client.get("/read")
        client.burst("GET", "/leak?5000", times=300)

    why = explained(measure, zygote, body)
    lines = {line.line: line for line in why.lines if line.path == "apps/bare.py"}
    source = (APPS / "bare.py").read_text().splitlines()
    read = next(number for number, line in enumerate(source, 1) if "for item in shared" in line)
    leak = next(
        number for number, line in enumerate(source, 1) if "leaked.append(bytes(number))" in line
    )
    assert lines[read].late < 0.1 * lines[read].bytes
    assert 0.5 * lines[leak].bytes < lines[leak].late < 0.8 * lines[leak].bytes


def test_a_traced_worker_that_dies_is_told_as_any_other(zygotes, talk):
    zygote = zygotes.get(App("bare:dies"))
    with CowWorker() as client, TracedRound(zygote, 60, 1) as current:
        client.enter_round(current)
        with pytest.raises(Exception, match="killed by SIGKILL while serving GET /kill"):
            client.get("/kill")
    with talk(zygote) as client:
        assert client.get("/fine").status_code == 200
