"""How the worker serves a burst, and tells the client meanwhile that it goes on."""

import socket
from types import SimpleNamespace

from pytest_cowmem.zygote import messages, wire
from pytest_cowmem.zygote.serve import wsgi

STARTED_AT = 1000.0


def served(monkeypatch, times: int, request_takes: float, tell_every: float) -> list[str]:
    """Serve a burst by a clock of its own, and return the kinds of the messages sent."""
    now = STARTED_AT

    def app(environ, start_response):
        nonlocal now
        now += request_takes
        start_response("200 OK", [])
        return []

    monkeypatch.setattr(wsgi, "time", SimpleNamespace(monotonic=lambda: now))
    here, there = socket.socketpair()
    with here, there:
        wsgi.serve_burst(there, app, {"REQUEST_METHOD": "GET"}, b"", times, tell_every, 1)
        there.close()
        kinds: list[str] = []
        while not kinds or kinds[-1] != messages.DONE:
            kinds.append(wire.receive_message(here)[0])
        return kinds


def test_a_burst_tells_that_it_goes_on_only_when_the_time_is_over(monkeypatch):
    kinds = served(monkeypatch, times=6, request_takes=2, tell_every=5)
    # The third request ends after 6 s. The next 5 s are over when the last ends, 12 s in.
    assert kinds == [messages.GOING, messages.HEAD, messages.GOING, messages.DONE]


def test_a_short_burst_sends_its_last_response_alone(monkeypatch):
    kinds = served(monkeypatch, times=3, request_takes=1, tell_every=5)
    assert kinds == [messages.HEAD, messages.DONE]
