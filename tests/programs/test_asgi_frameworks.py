"""FastAPI, Starlette, Quart and adapters behave in a worker as they do behind a server."""

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import WorkerDied

TEN_MB = 10 * 2**20


def test_plain_endpoints_of_fastapi_share_threads_of_the_worker(worker):
    with worker("adapted:api") as client:
        seen = [client.get("/thread").json() for _ in range(3)]
        assert seen == [["AnyIO worker thread", seen[0][1]]] * 3
        client.burst("GET", "/thread", times=30, concurrency=5)
        assert seen[0][1] < client.get("/thread").json()[1] <= seen[0][1] + 5


def test_a_worker_with_threads_is_measured_alike_each_time(zygotes, measure):
    zygote = zygotes.get(App("adapted:api"))
    found = [measure(zygote, lambda client: client.get("/thread")) for _ in range(4)]
    private = [sample.values["private"] for sample in found[1:]]
    assert max(private) - min(private) <= 4096 * 4


def test_fastapi_checks_echoes_and_breaks(worker, capsys):
    with worker("adapted:api") as client:
        assert client.post("/echo", content=b"x" * TEN_MB).content == b"x" * TEN_MB
        assert client.get("/checked", params={"number": "x"}).status_code == 422
        assert client.get("/broken").status_code == 500
    assert "LookupError: the shelf is empty" in capsys.readouterr().err


def test_starlette_streams_and_learns_that_its_client_has_gone(worker):
    with worker("adapted:small") as client:
        assert client.get("/hello/ada").text == "hello ada"
        answer = client.get("/lines")
        assert (answer.status_code, answer.reason_phrase) == (201, "Created")
        assert len(answer.text.splitlines()) == 1000
        with client.stream("GET", "/endless") as answer:
            assert next(answer.iter_lines()) == "tick"
        assert client.get("/hello/bob").text == "hello bob"


def test_quart_is_started_in_the_worker(worker):
    with worker("adapted:q") as client:
        assert client.get("/started").json() == ["yes"]
        assert client.post("/echo", content=b"some").content == b"some"


@pytest.mark.parametrize("target", ["adapted:from_wsgi", "adapted:from_wsgi_too"])
def test_a_wsgi_app_behind_an_adapter_is_asgi(zygotes, talk, target):
    zygote = zygotes.get(App(target))
    assert zygote.facts.interface == "asgi"
    with talk(zygote) as client:
        assert client.post("/body", content=b"some").content == b"some"


def test_an_adapter_that_has_its_loop_in_a_thread_of_the_master_is_told_so(zygotes, talk):
    zygote = zygotes.get(App("adapted:to_wsgi()"))
    assert zygote.facts.interface == "wsgi"
    with talk(zygote, 1) as client, pytest.raises(WorkerDied, match=r"Thread-1 \(run_forever\)"):
        client.get("/hello/ada")
