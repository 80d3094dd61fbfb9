"""ASGI apps: what they see of a server, and what a round waits for."""

import os

import httpx2
import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CallRaised, UsageError, WorkerDied

MEGABYTE = 2**20


def told(client):
    return client.call("bare_asgi:what_was_told")


@pytest.mark.parametrize("name", ["echo", "plain", "living", "Living()"])
def test_an_asgi_app_is_known_by_its_object(zygotes, name):
    assert zygotes.get(App(f"bare_asgi:{name}")).facts.interface == "asgi"


def test_an_interface_that_is_said_is_taken(zygotes):
    assert zygotes.get(App("bare:quiet", interface="asgi")).facts.interface == "asgi"


def test_the_scope_is_as_a_server_fills_it(worker):
    with worker("bare_asgi:tells_scope") as client:
        scope = eval(client.get("/gr%C3%B6%C3%9Fe?q=%20x", headers={"X-One": "1"}).text)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/größe",
        "raw_path": b"/gr%C3%B6%C3%9Fe",
        "query_string": b"q=%20x",
        "root_path": "",
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
    }


@pytest.mark.parametrize(
    ("content", "events"),
    [(b"", "1"), (b"small", "1"), (b"x" * MEGABYTE, str(MEGABYTE // 65536))],
)
def test_a_body_comes_in_pieces_and_the_last_is_known(worker, content, events):
    with worker("bare_asgi:echo") as client:
        answer = client.post("/a/b", content=content)
    assert (answer.content, answer.headers["events"]) == (content, events)
    assert (answer.headers["path"], answer.reason_phrase) == ("/a/b", "OK")


def test_requests_and_responses_are_streamed_side_by_side(worker):
    def pieces():
        for number in range(3):
            sent.append(number)
            yield b"%d" % number

    sent: list[int] = []
    with (
        worker("bare_asgi:streams") as client,
        client.stream("POST", "/", content=pieces()) as answer,
    ):
        lines = answer.iter_lines()
        seen = [(next(lines), len(sent)) for _ in range(3)]
    assert seen == [("got 0", 1), ("got 1", 2), ("got 2", 3)]


def test_an_app_learns_that_the_client_has_gone(worker):
    with worker("bare_asgi:endless") as client:
        with client.stream("GET", "/") as answer:
            assert next(answer.iter_lines()) == "line"
        assert told(client) == ["begun", "http.disconnect"]


def test_an_app_learns_that_an_upload_has_ended_early(worker):
    def breaks_off():
        yield b"a"
        raise LookupError("no more")

    with worker("bare_asgi:waits_for_the_client") as client:
        with pytest.raises(LookupError, match="no more"):
            client.post("/", content=breaks_off())
        assert told(client) == ["http.disconnect"]


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_an_error_before_the_response_is_a_500(worker, path, capsys):
    with worker("bare_asgi:breaks") as client:
        answer = client.get(path)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    said = "returned before its response" if path == "/nothing" else "LookupError: no such shelf"
    assert said in capsys.readouterr().err


def test_an_error_in_a_response_breaks_it_off(worker, capsys):
    with (
        worker("bare_asgi:breaks") as client,
        pytest.raises(httpx2.RemoteProtocolError, match="raised after its response had begun"),
    ):
        client.get("/late")
    assert "LookupError: no such shelf" in capsys.readouterr().err


def test_an_error_after_the_response_is_shown(worker, capsys):
    with worker("bare_asgi:breaks") as client:
        assert client.get("/after").text == "all of it"
    assert "LookupError: no such shelf" in capsys.readouterr().err


def test_tasks_that_a_request_starts_end_within_it(worker):
    with worker("bare_asgi:spawns") as client:
        client.get("/")
        assert told(client) == ["task 2", "task 1"]
        assert client.current_round().finish().going == ()


def test_a_task_that_goes_on_is_told(worker):
    with worker("bare_asgi:spawns") as client:
        client.get("/for_ever")
        assert client.current_round().finish().going == ("Event.wait",)


def test_each_request_has_a_context_of_its_own(worker):
    with worker("bare_asgi:counts_contexts") as client:
        assert [client.get("/").text for _ in range(2)] == ["nobody", "nobody"]
        assert client.burst("GET", "/", times=3).text == "nobody"


def test_an_app_starts_up_in_each_worker_and_shuts_down_there(zygotes, talk, capsys):
    zygote = zygotes.get(App("bare_asgi:living"))
    with talk(zygote) as client:
        pid = client.current_round().pair.worker
        answers = [client.get("/") for _ in range(2)]
        assert client.current_round().finish().going == ()
        assert "shut down" not in capsys.readouterr().out
    assert [(answer.text, answer.headers["started"]) for answer in answers] == [
        ("hello", str(pid)),
        ("hello", str(pid)),
    ]
    assert f"shut down {pid}" in capsys.readouterr().out


def test_startup_is_over_before_a_worker_is_ready(zygotes, measure):
    zygote = zygotes.get(App("bare_asgi:living"))
    assert measure(zygote, lambda client: None).values["private"] == 0


def test_a_startup_that_fails_ends_the_round(worker, capsys):
    with (
        pytest.raises(WorkerDied, match="getting ready, or in the app's lifespan startup"),
        worker("bare_asgi:fails_to_start"),
    ):
        pass
    assert "lifespan startup failed: no shelf to open" in capsys.readouterr().err


def test_a_burst_has_requests_one_after_another_or_at_once(worker):
    with worker("bare_asgi:meets") as client:
        assert client.burst("GET", "/", times=30).text == "1"
        assert client.burst("GET", "/", times=300, concurrency=7).text == "7"
        assert client.current_round().requests == 330


def test_a_burst_has_a_body(worker):
    with worker("bare_asgi:echo") as client:
        answer = client.burst("POST", "/", times=3, content=b"body")
    assert (answer.text, answer.headers["events"]) == ("body", "1")


def test_a_wsgi_worker_serves_one_request_at_a_time(worker):
    with worker("bare:quiet") as client, pytest.raises(UsageError, match="one request at a time"):
        client.burst("GET", "/", times=3, concurrency=2)


def test_websockets_are_refused(worker):
    with worker("bare_asgi:echo") as client:
        for url, headers in (("ws://localhost/", {}), ("/", {"Upgrade": "websocket"})):
            with pytest.raises(UsageError, match="WebSockets are not supported"):
                client.get(url, headers=headers)


def test_coroutine_functions_are_awaited(zygotes, talk):
    for target in ("bare_asgi:echo", "bare_asgi"):
        with talk(zygotes.get(App(target))) as client:
            pid = client.current_round().pair.worker
            assert client.call("bare_asgi:told_by_loop", 3) == [3, pid, True]
            assert client.call_burst("bare_asgi:told_by_loop", 4, times=9) == [4, pid, True]
            assert client.call("bare_asgi:runs_a_loop") == "ran"
            with pytest.raises(CallRaised, match=r"LookupError: no such shelf(?s:.*)in fails_in"):
                client.call("bare_asgi:fails_in_loop")


def test_the_loop_is_made_after_the_fork(zygotes):
    zygote = zygotes.get(App("bare_asgi:echo"))
    links = [os.readlink(fd.path) for fd in os.scandir(f"/proc/{zygote.pid}/fd")]
    assert not any("eventpoll" in link for link in links)


def test_a_body_that_is_no_bytes_breaks_the_response_off(worker, capsys):
    with (
        worker("bare_asgi:sends_text") as client,
        pytest.raises(httpx2.RemoteProtocolError, match="raised after its response had begun"),
    ):
        client.get("/")
    assert "made of bytes, and the app gave a str" in capsys.readouterr().err


def test_a_partial_of_an_asgi_app_is_one(worker):
    with worker("bare_asgi:partial") as client:
        assert client.post("/", content=b"some").content == b"some"
