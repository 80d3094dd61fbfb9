"""A leak is named by the container that grows with requests, by real workers of a Flask shop."""

import sys
from pathlib import Path

import pytest
from folders import APPS

from pytest_cowmem.explain.leak_round import LeakRound
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.model.app import App

REQUESTS = 50
LINES = (APPS / "leaky.py").read_text().splitlines()


def marked(name):
    """The line that ends in `# name`."""
    (number,) = [at for at, line in enumerate(LINES, 1) if line.endswith(f"# {name}")]
    return number


@pytest.fixture
def look(zygotes):
    """`look(view)` is what 50 requests of a view leave behind."""

    def run(view, app="leaky:app", expected=REQUESTS, gc="default", zygote=None):
        zygote = zygote or zygotes.get(App(app, gc=gc))
        with CowWorker() as client, LeakRound(zygote, 60, expected) as current:
            client.enter_round(current)
            for _ in range(5):
                client.get(f"/{view}")
            client.burst("GET", f"/{view}", times=REQUESTS - 5)
            return current.left()

    return run


KEPT = [
    ("seen", "leaky_state.SEEN", REQUESTS),
    ("in_thread", "leaky_state.SEEN", REQUESTS),
    ("deep", "leaky_state.REGISTRY['carts']['ada'].lines", REQUESTS),
    ("slotted", "leaky_state.REGISTRY['slotted'][1].queue", REQUESTS),
    ("per_path", "leaky.HITS[...]", REQUESTS),
    ("rows", "leaky.ROWS", REQUESTS),
    ("registered", "leaky.Model.registry", REQUESTS),
    ("handlers", "logging.Logger.manager.loggerDict['shop'].handlers", REQUESTS),
    ("cards", "leaky.CARDS", REQUESTS),
    ("cached", "leaky.priced", REQUESTS),
    ("closure", "leaky.tax.results", REQUESTS),
    ("threads", "threading._active", REQUESTS + 1),
    ("attribute", "leaky.app.orders", REQUESTS),
    ("weakly", "leaky.ORDERS", REQUESTS),
    ("named", "leaky.HITS", REQUESTS),
    ("templates", "leaky.app.jinja_env.cache._mapping", REQUESTS),
]


@pytest.mark.parametrize(("view", "name", "entries"), KEPT)
def test_what_grows_with_requests_is_named_with_the_line_that_fills_it(look, view, name, entries):
    keeper = look(view).keepers[0]
    assert (keeper.name, keeper.after, keeper.entries) == (name, entries, 1)
    assert (Path(keeper.path).name, keeper.line) == ("leaky.py", marked(view))


@pytest.mark.parametrize(
    ("view", "name", "size"), [("text", "LOG", 59), ("journal", "JOURNAL", 50)]
)
def test_a_text_that_grows_is_told_in_bytes(look, view, name, size):
    keeper = look(view).keepers[0]
    assert (keeper.name, keeper.unit, keeper.entries) == (f"leaky.{name}", "bytes", size)
    assert keeper.line == marked(view)


def test_bytes_a_request_are_those_of_the_new_entries(look):
    (keeper,) = look("seen").keepers
    entry = 64 + bytes.__basicsize__
    assert entry <= keeper.bytes <= entry + 16
    (keeper,) = look("named").keepers
    key = sys.getsizeof("/" + "0" * 80)
    assert key + 24 <= keeper.bytes <= key + 100


@pytest.mark.parametrize(("view", "bound"), [("bound", 300), ("patterns", 512), ("templates", 400)])
def test_a_cache_that_is_not_full_is_told_with_its_bound(look, view, bound):
    (keeper, *_) = look(view).keepers
    assert (keeper.entries, keeper.bound, keeper.line) == (1, bound, marked(view))


def test_an_app_that_only_its_server_has_is_looked_through(look):
    keeper = look("order", app="leaky:make()").keepers[0]
    assert keeper.name == "leaky.make().extensions['orders']['open']"
    assert keeper.line == marked("made")


def test_what_a_middleware_of_django_keeps_is_named_by_its_class(zygotes, look, tmp_path):
    env = {"DJANGO_SHOP_DB": str(tmp_path / "shop.sqlite3")}
    keeper = look("count", zygote=zygotes.get(App("wrappers:site()", env=env))).keepers[0]
    assert (keeper.name, Path(keeper.path).name) == ("wrappers.Middleware().paths", "wrappers.py")


def test_a_leak_is_named_where_the_master_was_frozen(look):
    keeper = look("deep", gc="freeze").keepers[0]
    assert keeper.name == "leaky_state.REGISTRY['carts']['ada'].lines"
    assert keeper.line == marked("deep")


@pytest.mark.parametrize(
    ("own", "file"), [((), "leaky_state.py"), (("leaky",), "leaky.py"), (("no",), "leaky_state.py")]
)
def test_the_line_is_one_of_the_modules_that_are_the_users_own(fresh_zygotes, look, own, file):
    """A name that leads to no module changes nothing: the traced round tells of it."""
    zygote = fresh_zygotes.get(App("leaky:app"))
    zygote.own = own
    keeper = look("through", zygote=zygote).keepers[0]
    assert (keeper.name, Path(keeper.path).name) == ("leaky_state.SEEN", file)


@pytest.mark.parametrize("view", ["nothing", "cycles", "bounded"])
def test_garbage_and_a_cache_that_is_full_are_no_leak(look, view):
    assert look(view) == ((), ())


@pytest.mark.parametrize("view", ["bounded_and_seen", "imports_late"])
def test_what_grew_before_is_not_taken_for_the_leak(look, view):
    assert [keeper.name for keeper in look(view).keepers] == ["leaky_state.SEEN"]


def test_objects_that_no_container_keeps_are_told_by_type(look):
    assert look("chain") == ((), (("leaky.Order", 1.0),))


@pytest.mark.parametrize("expected", [20, 400])
def test_other_requests_than_expected_may_leave_nothing_to_tell(look, expected):
    found = look("seen", expected=expected)
    assert [keeper.entries for keeper in found.keepers] == ([1.0] if expected == 20 else [])
