"""The client's conversation with plain WSGI apps: bodies both ways, errors, output, calls."""

import gc
import operator
import time
from pathlib import Path

import httpx2
import pytest

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import (
    CallRaised,
    CannotMeasure,
    MixedStatuses,
    UsageError,
    WorkerDied,
)

TEN_MB = 10 * 2**20


def test_a_request_body_is_pulled_as_the_app_reads_it(worker):
    sent = []

    def pieces():
        for index in range(5):
            sent.append(index)
            yield b"%d" % index * 1000

    with worker("bare:echo") as client:
        assert client.post("/count", content=pieces()).text == "5000"
        assert sent == [0, 1, 2, 3, 4]
        sent.clear()
        assert client.post("/ignores-it", content=pieces()).status_code == 200
        assert sent == []


def test_ten_megabytes_come_back_unchanged(worker):
    body = bytes(range(256)) * (TEN_MB // 256)
    with worker("bare:echo") as client:
        assert client.post("/body", content=body).content == body


def test_a_body_whose_iterator_raises_ends_that_request_only(worker):
    def broken():
        yield b"some"
        raise KeyError("no more")

    with worker("bare:echo") as client:
        with pytest.raises(KeyError, match="no more"):
            client.post("/body", content=broken())
        assert client.post("/body", content=b"after").content == b"after"


def test_what_the_server_sees_of_a_request(worker):
    with worker("bare:echo") as client:
        seen = client.request(
            "PATCH",
            "/a%20b/%C3%A9?x=1&y=%20",
            headers=[("X-One", "1"), ("X-One", "2")],
            content=b"abc",
        ).json()
    assert seen["REQUEST_METHOD"] == "PATCH"
    assert seen["PATH_INFO"] == "/a b/é".encode().decode("latin-1")
    assert seen["QUERY_STRING"] == "x=1&y=%20"
    assert seen["RAW_URI"] == "/a%20b/%C3%A9?x=1&y=%20"
    assert seen["HTTP_X_ONE"] == "1,2"
    assert seen["CONTENT_LENGTH"] == "3"
    address = [seen[name] for name in ("SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme")]
    assert address == ["localhost", "80", "http"]


def test_an_exception_before_the_response_is_a_500(worker, capsys):
    with worker("bare:raises") as client:
        assert client.get("/").status_code == 500
        assert client.head("/").content == b""
        assert client.burst("GET", "/", times=2).status_code == 500
    assert capsys.readouterr().err.count("LookupError: the shelf is empty") == 4


def test_an_exception_within_the_response_is_a_protocol_error(worker, capsys):
    with worker("bare:raises") as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="raised after its response had begun"):
            client.get("/late")
        with pytest.raises(httpx2.RemoteProtocolError, match="raised after its response had begun"):
            client.burst("GET", "/late", times=2)
        assert client.get("/").status_code == 500
    assert "LookupError: the shelf broke" in capsys.readouterr().err


def test_a_body_of_text_is_the_apps_error(worker, capsys):
    with worker("bare:wrong_pieces") as client:
        assert client.get("/").status_code == 500
        assert client.get("/").status_code == 500
    assert "made of bytes, and the app gave a str" in capsys.readouterr().err


def test_what_the_app_prints_is_the_tests_output(worker, capsys):
    with worker("bare:prints") as client:
        client.get("/")
        assert capsys.readouterr() == ("printed by the app\n", "complained by the app\n")
        client.burst("GET", "/", times=3)
        assert capsys.readouterr().out == "printed by the app\n" * 3


def test_an_open_response_is_read_to_its_end_before_anything_else(worker):
    with worker("bare:stream") as client:
        for after in (
            lambda: client.get("/?2").text == "0\n1\n",
            lambda: client.burst("GET", "/?2", times=5).text == "0\n1\n",
            lambda: client.call("bare:add", 1, 2) == 3,
            lambda: client.current_round().finish().requests == 7 + 4,
        ):
            client.send(client.build_request("GET", "/?5000"), stream=True)
            assert after()


def test_a_response_without_end_is_ended_with_its_worker(zygotes, talk):
    overdue = r"had not ended its response after 0.5 s while serving GET /ticks, and was killed"
    with talk(zygotes.get(App("bare:endless")), timeout=0.5) as client:
        answer = client.send(client.build_request("GET", "/ticks"), stream=True)
        lines = answer.iter_lines()
        assert next(lines) == "tick"
        with pytest.raises(WorkerDied, match=overdue):
            answer.close()
        with pytest.raises(WorkerDied, match=overdue):
            client.current_round().finish()


def test_a_response_that_drips_for_ever_is_ended_too(zygotes, talk):
    overdue = r"had not ended its response after 0.5 s while serving GET /"
    zygote = zygotes.get(App("bare:drips"))
    with talk(zygote, timeout=0.5) as client, pytest.raises(WorkerDied, match=overdue):
        client.get("/")


def test_what_the_test_takes_between_two_pieces_does_not_count(zygotes, talk):
    with talk(zygotes.get(App("bare:stream")), timeout=0.5) as client:
        answer = client.send(client.build_request("GET", "/?3"), stream=True)
        time.sleep(0.6)
        assert answer.read() == b"0\n1\n2\n"


def test_a_burst_may_take_longer_than_a_request(zygotes, talk):
    with talk(zygotes.get(App("bare:slow")), timeout=2) as client:
        assert client.burst("GET", "/?0.8", times=4).status_code == 200
        assert client.burst("GET", "/?0.1", times=30).status_code == 200


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/no_code", "a WSGI status is a string such as '200 OK', and the app gave 'OK'"),
        ("/no_text", "a WSGI status is a string such as '200 OK', and the app gave 200"),
        ("/no_space", "a WSGI status is a string such as '200 OK', and the app gave '2000 OK'"),
        ("/not_latin", "UnicodeEncodeError: 'latin-1' codec"),
        ("/not_a_string", "a WSGI header is two strings, and the app gave 'X-Header': 7"),
    ],
)
def test_a_malformed_answer_is_the_apps_error(worker, capsys, path, told):
    with worker("bare:malformed") as client:
        assert client.get(path).status_code == 500
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("other", "times"), [(3, 10), (700, 1000)], ids=["chunk", "chunks"])
def test_a_burst_needs_one_status_within_a_chunk_and_across_chunks(worker, other, times):
    mixed = rf"200.* first, 404.* at request {other};"
    with worker("bare:alternates") as client, pytest.raises(MixedStatuses, match=mixed):
        client.burst("GET", f"/?{other}", times=times)


def test_a_burst_is_at_least_one_request(worker):
    with worker("bare:quiet") as client, pytest.raises(UsageError, match="at least one request"):
        client.burst("GET", "/", times=0)


def test_call_by_name_and_by_function(worker):
    with worker("bare:quiet") as client:
        assert client.call("bare:add", 1, 2, bonus=10) == 13
        assert client.call(operator.add, "a", "b") == "ab"
        assert client.call(gc.isenabled) is True


def test_call_shows_what_the_function_raised(worker):
    divided = r"bare:divide raised ZeroDivisionError: division by zero(?s:.*)in divide"
    with worker("bare:quiet") as client:
        with pytest.raises(CallRaised, match=divided):
            client.call("bare:divide", 1, 0)
        with pytest.raises(CallRaised, match="bare:give_back_a_function raised"):
            client.call("bare:give_back_a_function")
        with pytest.raises(CallRaised, match="bare:nothing raised AttributeError"):
            client.call("bare:nothing")
        assert client.call("bare:divide", 1, 1) == 1


def test_call_says_so_where_the_test_cannot_read_what_came_back(worker):
    unread = "what bare:Thing returned cannot be read in the test"
    with worker("bare:quiet") as client, pytest.raises(UsageError, match=unread):
        client.call("bare:Thing")


def test_call_refuses_what_the_worker_cannot_find(worker):
    def inner():
        pass

    with worker("bare:quiet") as client:
        for function in (lambda: None, inner, Path("x").exists):
            with pytest.raises(UsageError, match="defined at the top of a module"):
                client.call(function)
        with pytest.raises(UsageError, match="call takes module:function"):
            client.call("bare.add")


def test_outside_a_round_there_is_nobody_to_ask():
    with CowWorker() as client:
        for ask in (
            lambda: client.get("/"),
            lambda: client.burst("GET", "/", times=1),
            lambda: client.call("bare:add"),
        ):
            with pytest.raises(CannotMeasure, match="only inside the test's body"):
                ask()
