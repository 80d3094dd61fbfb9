"""Modules that serve no requests: they are preloaded, and their functions called."""

import importlib
import sys

import pytest
from folders import APPS

from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import AppFailed, CallRaised, UsageError


@pytest.mark.parametrize("target", ["alone", "alone:rows", "alone:add(1, 2)"])
def test_what_serves_no_requests_can_be_preloaded(worker, target):
    with worker(target) as client:
        assert client.call("alone:scan") == 40_000
        with pytest.raises(UsageError, match=r"serves no requests: use cow_worker\.call"):
            client.get("/")


def test_a_module_alone_is_its_application_where_it_has_one(zygotes, talk):
    django = App("django_shop.wsgi", env={"DJANGO_SHOP_DB": ":memory:"})
    assert zygotes.get(django).facts.interface == "wsgi"
    alone = App("django_shop.wsgi", env={"DJANGO_SHOP_DB": ":memory:"}, interface="call")
    assert zygotes.get(alone).facts.interface == "call"


def test_a_call_is_measured_as_a_request_is(zygotes, measure):
    zygote = zygotes.get(App("alone"))
    idle = measure(zygote, lambda client: None)
    once = measure(zygote, lambda client: client.call("alone:scan"))
    again = measure(zygote, lambda client: client.call_burst("alone:scan", times=20))
    assert (idle.values["private"], idle.requests) == (0, 0)
    assert once.values["private"] > 2 * 2**20
    assert again.values["private"] - once.values["private"] < 64 * 1024
    assert [age for age, _ in again.ages] == [1, 8, 20]


def test_calls_that_keep_something_grow(zygotes, growth):
    zygote = zygotes.get(App("alone"))
    found = growth(zygote, lambda client: client.call_burst("alone:keep", 4096, times=60), 60)
    assert 4000 < found.per_request < 4400


def test_the_third_call_of_a_burst_raises(worker):
    with worker("alone") as client:
        wrong = r"alone:third_fails raised LookupError: no third one at call 3(?s:.*)in third_fails"
        with pytest.raises(CallRaised, match=wrong):
            client.call_burst("alone:third_fails", times=50)


def test_what_pickle_cannot_hold_is_one_sentence(worker):
    with worker("alone") as client:
        with pytest.raises(
            CallRaised, match=r"cannot be sent back .*: return what pickle can hold"
        ):
            client.call("alone:unsendable")
        with pytest.raises(UsageError, match="cannot be sent to the worker"):
            client.call("alone:keep", lambda: None)


def test_a_task_of_celery_runs_as_in_a_pool(worker, monkeypatch):
    monkeypatch.syspath_prepend(APPS)
    tasks = importlib.import_module("tasks")
    with worker("tasks:app") as client:
        pid = client.current_round().pair.worker
        assert client.call("tasks:add.run", 1, 2) == 3
        assert client.call("tasks:add", 1, other=2) == 3
        assert client.call("tasks:names_itself.apply").get() == ("tasks.names_itself", pid)
        assert client.call_burst("tasks:add.apply", (1, 2), times=5).get() == 3
        with pytest.raises(UsageError, match="give it a function defined at the top"):
            client.call(tasks.add)


def test_what_is_preloaded_is_told_with_what_it_brought(zygotes):
    preload = ["decimal", "sqlite3", "decimal"]
    facts = zygotes.get(App("bare:quiet", preload=preload)).facts
    assert [name for name, _, _ in facts.brought] == preload
    (_, _, of_sqlite) = facts.brought[1]
    assert of_sqlite > 1
    assert facts.brought[2] == ("decimal", 0, 0)
    assert {"decimal", "sqlite3"} <= facts.modules


def test_a_preload_that_fails_fails_the_app(zygotes):
    with pytest.raises(AppFailed, match="No module named 'no_such_module'; correct the name"):
        zygotes.get(App("bare:quiet", preload=["json", "no_such_module"]))
    with pytest.raises(AppFailed, match="LookupError: half of it"):
        zygotes.get(App("bare:quiet", preload=["breaks_at_import"]))
    assert "breaks_at_import" not in sys.modules
