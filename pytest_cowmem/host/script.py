"""What a test's body asked of one worker, to be asked of others. Runs in the pytest process.

Nothing of the body runs in between, so workers may be driven side by side. A body that reacts to
what it is told, to a new session's number for one, would have asked something else: a worker that
answers otherwise than the first one says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pytest_cowmem.host import answers
from pytest_cowmem.host.response import ResponseStream
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.what_if import Requests
from pytest_cowmem.zygote import messages, wire

_ASKED = (messages.REQUEST, messages.BURST, messages.CALL)


class AnsweredOtherwiseError(Exception):
    """A worker answered otherwise than the one whose script this is."""


@dataclass(frozen=True)
class Exchange:
    """A message to a worker, a request's body, and its answer: a status, or what a call returned.

    `whole` is False where the client went away before the body's end.
    """

    doing: str
    message: wire.Message
    body: bytes = b""
    answer: "str | bytes" = ""
    whole: bool = True


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
        return answer

    def _amend(self, **changes: Any) -> None:
        """Change the exchange that is under way."""
        self.script[-1] = replace(self.script[-1], **changes)


def replay(script: Iterable[Exchange], current: Round) -> None:
    """Ask a worker what another was asked. AnsweredOtherwiseError where its answer is not the same.

    Responses' bodies may differ, as by the time of day. Their statuses may not.
    """
    for exchange in script:
        current.begin(exchange.doing)
        current.send(exchange.message)
        ask = _call if exchange.message[0] == messages.CALL else _request
        if ask(current, exchange.body) != exchange.answer or not exchange.whole:
            raise AnsweredOtherwiseError(exchange.doing)


def gets(script: Iterable[Exchange]) -> Requests:
    """(path, query) of each GET request, once. Others have a body, or change something."""
    environs = [one.message[1] for one in script if one.message[0] != messages.CALL]
    got = [environ for environ in environs if environ["REQUEST_METHOD"] == "GET"]
    return tuple(dict.fromkeys((one["PATH_INFO"], one["QUERY_STRING"]) for one in got))


def _request(current: Round, body: bytes) -> "str | bytes":
    stream = ResponseStream(current, iter((body,)))
    head = stream.head()
    stream.close()
    return _told(head) if head else ""


def _call(current: Round, _body: bytes) -> "str | bytes":
    answer = current.receive()
    told = current.receive() if isinstance(answer, answers.Returned) else answer
    current.served(1)
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
