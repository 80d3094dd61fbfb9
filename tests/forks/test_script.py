"""What a test's body asked of one worker is asked of another, and costs it the same."""

from dataclasses import replace

import pytest

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.script import AnsweredOtherwiseError, Recorded, replay, warm_ups
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CallRaised


@pytest.fixture
def busy(zygotes):
    return zygotes.get(App("bare:busy"))


def pieces():
    yield b"a" * 100_000
    yield b"b" * 70_000


def body(client):
    client.get("/read")
    client.get("/allocate?1000")
    client.post("/import")
    client.burst("GET", "/leak?10", times=100)
    assert client.call("gc:isenabled") is True
    with pytest.raises(CallRaised):
        client.call("bare:divide", 1, 0)


def recorded(zygote, body):
    """A script, and what its round measured."""
    with CowWorker() as client, Recorded(zygote, 60) as current:
        client.enter_round(current)
        body(client)
        script = current.script[:]
        return script, current.finish().values


def test_a_replay_costs_what_the_body_costs(busy):
    script, values = recorded(busy, body)
    with Round(busy, 60) as current:
        replay(script, current)
        replayed = current.finish().values
    assert replayed["private"] == pytest.approx(values["private"], abs=2 * 4096)
    assert current.requests == 3 + 100 + 2
    assert replayed["gc_collections"] == values["gc_collections"]


def test_requests_get_the_body_that_they_had(worker):
    with worker("bare:echo") as client:
        zygote = client.current_round().master
    script, _ = recorded(zygote, lambda client: client.post("/count", content=pieces()))
    assert [one.body for one in script] == [b"".join(pieces())]
    with Recorded(zygote, 60) as again:
        replay(script, again)
        assert again.script == script


def test_a_call_that_returns_otherwise_says_so(busy):
    script, _ = recorded(busy, lambda client: client.call("os:getpid"))
    with Round(busy, 60) as current, pytest.raises(AnsweredOtherwiseError, match="getpid"):
        replay(script, current)


def test_a_request_with_another_status_says_so(busy):
    script, _ = recorded(busy, lambda client: client.get("/read"))
    assert script[0].answer == "200 OK"
    script[0] = replace(script[0], answer="404 Not Found")
    with Round(busy, 60) as current, pytest.raises(AnsweredOtherwiseError, match="/read"):
        replay(script, current)


def test_a_request_whose_client_went_away_is_not_replayed(worker):
    def go_away(client):
        def broken():
            yield b"a" * 70_000
            raise ConnectionError

        with pytest.raises(ConnectionError):
            client.post("/count", content=broken())

    with worker("bare:echo") as client:
        zygote = client.current_round().master
    script, _ = recorded(zygote, go_away)
    with Round(zygote, 60) as current, pytest.raises(AnsweredOtherwiseError):
        replay(script, current)


def test_a_page_that_is_another_is_the_same_unless_that_is_taken_strictly(busy):
    script, _ = recorded(busy, lambda client: client.get("/read"))
    script[0] = replace(script[0], content=script[0].content + 1)
    with Round(busy, 60) as current:
        replay(script, current)
        with pytest.raises(AnsweredOtherwiseError):
            replay(script, current, strictly=True)


def test_pages_that_are_the_same_are_so_strictly_too(busy):
    script, _ = recorded(busy, body)
    with Round(busy, 60) as current:
        replay(script, current, strictly=True)


def test_a_master_may_be_asked_once_for_what_is_got_without_a_login(worker):
    def body(client):
        client.get("/a?1")
        client.burst("GET", "/a?1", times=5)
        client.burst("GET", "/b", times=5)
        client.post("/posted")
        client.get("/mine", headers={"Authorization": "Basic abc"})
        client.get("/mine", cookies={"session": "1"})
        client.call("gc:isenabled")

    with worker("bare:echo") as client:
        zygote = client.current_round().master
    script, _ = recorded(zygote, body)
    assert [one.url for one in warm_ups(script)] == [("/a", "1"), ("/b", "")]
    assert {one.message[0] for one in warm_ups(script)} == {"request"}


def test_a_master_is_not_asked_for_what_fails(worker):
    with worker("bare:raises") as client:
        zygote = client.current_round().master
    script, _ = recorded(zygote, lambda client: client.get("/"))
    assert script[0].answer.startswith("500")
    assert warm_ups(script) == []
