"""What a test's body asked of one worker, to be asked of others. Runs in the pytest process.

Nothing of the body runs in between, so workers may be driven side by side. A body that reacts to
what it is told, to a new session's number for one, would have asked something else: a worker that
answers otherwise than the first one says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from pytest_cowmem.host import answers
from pytest_cowmem.host.calling import called
from pytest_cowmem.host.response import ResponseStream
from pytest_cowmem.host.round import Round
from pytest_cowmem.zygote import messages, wire

_ASKED = (messages.REQUEST, messages.BURST, messages.CALL)


class AnsweredOtherwiseError(Exception):
    """A worker answered otherwise than the one whose script this is."""


@dataclass(frozen=True)
class Exchange:
    """A message to a worker, a request's body, and its answer: a status, or what a call returned.

    `content` is a digest of the response's body. `whole` is False where the client went away before
    the request's end.
    """

    doing: str
    message: wire.Message
    body: bytes = b""
    answer: "str | bytes" = ""
    content: int = 0
    whole: bool = True

    @property
    def warms_up(self) -> bool:
        """Whether a master may be asked for it: it gets a page, and is nobody's in particular.

        ASGI apps need an event loop, which a master has none of.
        """
        kind, environ = self.message[:2]
        return (
            kind != messages.CALL
            and environ.get("REQUEST_METHOD") == "GET"
            and not {"HTTP_COOKIE", "HTTP_AUTHORIZATION"} & {*environ}
            and str(self.answer).startswith(("2", "3"))
        )

    @property
    def url(self) -> tuple[str, str]:
        """The path and the query of a request."""
        environ = self.message[1]
        return environ["PATH_INFO"], environ["QUERY_STRING"]


class Recorded(Round):
    """A round whose exchanges are in `script`, from ready to end."""

    script: list[Exchange]

    def _become_ready(self) -> None:
        self.script = []
        super()._become_ready()
        self.script.clear()

    def send(self, message: wire.Message) -> None:
        if message[0] in _ASKED:
            self.script.append(Exchange(self._doing, message))
        elif message[0] == messages.GONE:
            self._amend(whole=False)
        super().send(message)

    def send_body(self, piece: memoryview) -> None:
        self._amend(body=self.script[-1].body + piece)
        super().send_body(piece)

    def receive(self) -> answers.Answer | bytes:
        answer = super().receive()
        if self.script and not self.script[-1].answer:
            self._amend(answer=_told(answer))
        elif self.script and isinstance(answer, bytes):
            self._amend(content=crc32(answer, self.script[-1].content))
        return answer

    def _amend(self, **changes: Any) -> None:
        """Change the exchange that is under way."""
        self.script[-1] = replace(self.script[-1], **changes)


def replay(script: Iterable[Exchange], current: Round, strictly: bool = False) -> None:
    """Ask a worker what another was asked. AnsweredOtherwiseError where its answer is not the same.

    Responses' bodies may differ, as by the time of day, unless that is taken `strictly`. Their
    statuses may not.
    """
    for exchange in script:
        answer, content = ask(exchange, current)
        same = answer == exchange.answer and (content == exchange.content or not strictly)
        if not (same and exchange.whole):
            raise AnsweredOtherwiseError(exchange.doing)


def ask(exchange: Exchange, current: Round) -> "tuple[str | bytes, int]":
    """Ask a worker for one thing more: its answer, and the digest of a response's body."""
    current.begin(exchange.doing)
    current.send(exchange.message)
    if exchange.message[0] == messages.CALL:
        return _call(current, exchange.message[3]), 0
    stream = ResponseStream(current, iter((exchange.body,)))
    head = stream.head()
    content = 0
    for piece in stream:
        content = crc32(piece, content)
    return (_told(head) if head else ""), content


def warm_ups(script: Iterable[Exchange]) -> list[Exchange]:
    """The requests of a script that a master could make before it forks, each of them once."""
    found: dict[tuple[str, str], Exchange] = {}
    for exchange in script:
        if exchange.warms_up:
            once = (messages.REQUEST, exchange.message[1], False)
            found.setdefault(exchange.url, replace(exchange, message=once, body=b""))
    return [*found.values()]


def _call(current: Round, times: int) -> "str | bytes":
    told = called(current)
    current.served(times)
    return _told(told)


def _told(answer: answers.Answer | bytes) -> "str | bytes":
    """What of an answer is to be the same for each worker; "" where it is none yet."""
    match answer:
        case bytes():
            return answer
        case answers.Head(status):
            return status
        case answers.Raised(line):
            return line
    return ""
