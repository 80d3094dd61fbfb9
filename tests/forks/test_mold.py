"""A worker that a mold forks: what it measures, and what the mold's policy takes off."""

from contextlib import suppress
from statistics import fmean

import pytest

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.mold import Enough, Mold, Reforked
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CannotMeasure, WorkerDied
from pytest_cowmem.model.policy import ALL, Policy

# A large chunk of malloc's may find no hole beside what the mold keeps, and the other way round: a
# layout's `private` was -23 to 25 pages off, 33 once, and in the mean of seven layouts 0.
FEW = 32 * PAGE
LAYOUTS = (1, 2, 3)


@pytest.fixture
def reforked(zygotes):
    """`reforked(app, policy, body)` is the sample of a worker under a policy."""

    def one_round(app, policy, body, zygote=None):
        with Mold(zygote or zygotes.raw(app), 60, policy) as mold, CowWorker() as client:
            if policy.requests:
                client.enter_round(mold)
                with suppress(Enough):
                    body(client)
            master = Reforked(mold)
            full = master.full_collection()
            with Round(master, 60) as current:
                client.enter_round(current)
                body(client)
                return current.finish(full)

    return one_round


def browse(client):
    client.post("/login", data={"name": "ada"})
    for name in ("a", "b", "c"):
        client.get(f"/find/{name}")
        client.get("/feed")
        client.post("/json", json={"numbers": [1, 2]})


def busy(client):
    client.burst("GET", "/find/x", times=300)
    client.call("gc:collect")


@pytest.mark.parametrize("policy", ["default", "freeze", "off", "100,5,5"])
@pytest.mark.parametrize("body", [browse, busy])
def test_a_mold_that_does_nothing_changes_nothing(zygotes, measure, reforked, policy, body):
    app = App("flask_shop:app", gc=policy)
    plain, same = [], []
    for seed in LAYOUTS:
        plain.append(measure(zygotes._in_layout(app, seed), body).values)
        raw = zygotes._in_layout(app, seed, raw=True)
        same.append(reforked(app, Policy(), body, raw).values)
    for metric in ("private", "gc_full", "gc_copied"):
        expected = fmean(values[metric] for values in plain)
        found = fmean(values[metric] for values in same)
        assert found == pytest.approx(expected, rel=0.02, abs=FEW), metric
    for one, other in zip(plain, same, strict=True):
        assert other["gc_collections"] == pytest.approx(one["gc_collections"], abs=1)
        assert other["imports"] == one["imports"]
        assert one["private"] > 2**20


def test_what_is_imported_before_the_fork_costs_no_worker(zygotes, measure, reforked):
    app = App("curable:app")

    def body(client):
        client.get("/import")

    measure(zygotes.get(app), body)  # it may compile
    plain = measure(zygotes.get(app), body)
    tried = reforked(app, Policy(imports=("pydoc_data.topics",)), body)
    assert "pydoc_data.topics" in plain.imports
    assert tried.imports == ()
    assert tried.values["private"] < plain.values["private"] - 2**18


def test_what_requests_keep_before_the_fork_costs_no_worker(zygotes, measure, reforked):
    app = App("curable:app")

    def body(client):
        for number in range(10**19, 10**19 + 10):  # a megabyte each: layouts move some 80 KiB
            client.get(f"/cache?{number}")
            client.get("/leak?100000")

    plain, first, whole = (
        measure(zygotes.get(app), body).values["private"],
        reforked(app, Policy(requests=1), body).values["private"],
        reforked(app, Policy(requests=ALL), body).values["private"],
    )
    assert plain - first == pytest.approx(1_000_000, rel=0.2)
    assert plain - whole == pytest.approx(10_000_000, rel=0.05)  # what leaks leaks again


def test_a_burst_is_served_as_far_as_is_asked_for(zygotes):
    zygote = zygotes.raw(App("curable:app"))
    with Mold(zygote, 60, Policy(requests=7)) as mold, CowWorker() as client:
        client.enter_round(mold)
        with pytest.raises(Enough):
            client.burst("GET", "/", times=100)
        assert mold.requests == 7


def test_what_is_frozen_before_the_fork_is_not_collected(zygotes, measure, reforked):
    app, frozen = App("flask_shop:app"), App("flask_shop:app", gc="freeze")
    tried = reforked(app, Policy(freeze=True), busy).values
    real = measure(zygotes.get(frozen), busy).values
    assert tried["private"] == pytest.approx(real["private"], rel=0.1)
    assert tried["private"] < 0.5 * measure(zygotes.get(app), busy).values["private"]


def test_an_import_that_raises_is_told(zygotes):
    policy = Policy(imports=("json.tool", "no_such_module"))
    said = "importing json.tool, no_such_module before forking raised ModuleNotFoundError"
    zygote = zygotes.get(App("curable:app"))
    with pytest.raises(CannotMeasure, match=said), Mold(zygote, 60, policy):
        pass


def test_a_mold_whose_requests_left_a_thread_forks_no_worker(zygotes, reforked):
    def body(client):
        client.get("/thread")

    with pytest.raises(CannotMeasure, match="requests start threads, which workers forked later"):
        reforked(App("curable:app"), Policy(requests=1), body)
    assert reforked(App("curable:app"), Policy(), body).requests == 1


def test_the_zygote_forks_as_before_whatever_became_of_a_mold(zygotes, measure):
    zygote = zygotes.raw(App("curable:app"))

    def body(client):
        client.get("/")

    plain = measure(zygote, body).values
    with Mold(zygote, 60, Policy(requests=1)) as mold, CowWorker() as client:
        client.enter_round(mold)
        with pytest.raises(WorkerDied, match="exited with code 3"):
            client.get("/end?3")
    mold = Mold(zygote, 60, Policy())
    with mold, CowWorker() as client, Round(Reforked(mold), 60) as current:
        client.enter_round(current)
        with pytest.raises(WorkerDied, match="exited with code 3"):
            client.get("/end?3")
    assert measure(zygote, body).values["private"] == plain["private"]


def test_a_mold_forks_measured_workers_only(zygotes):
    with Mold(zygotes.raw(App("curable:app")), 60, Policy()) as mold:
        with pytest.raises(ValueError, match="forks measured workers only"):
            Reforked(mold).fork(b"t")
        with pytest.raises(ValueError, match="only the twin of a traced worker"):
            Reforked(mold).ask_twin("map", tuple)
