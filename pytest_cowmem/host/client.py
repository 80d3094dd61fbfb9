"""`cow_worker`: an httpx2 client whose transport reaches the forked worker. Runs in the pytest process."""

import pickle
import time
from collections.abc import Callable, Iterator
from types import ModuleType, NoneType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import httpx2

from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import (
    CallRaised,
    CannotMeasure,
    MixedStatuses,
    UsageError,
    wrong_and_right,
)
from pytest_cowmem.zygote import wire

if TYPE_CHECKING:
    from pytest_cowmem.model.explanation import Explanation

_SILENCE = 0.05  # the share of the timeout after which a worker in a burst says that it goes on
_LATIN = "latin-1"  # PEP 3333: strings in environ are bytes decoded as latin-1


class CowWorker(httpx2.Client):
    """A client of the worker of the present round. Requests are served by the forked app; cookies and headers start over each round."""

    def __init__(self) -> None:
        self._round: Round | None = None
        self._explained = False
        self.explainer: "Callable[[], Explanation]" = self._cannot_explain
        super().__init__(
            transport=WorkerTransport(self.current_round),
            base_url="http://localhost",
            trust_env=False,
            timeout=None,
        )

    def explain(self) -> "Explanation":
        """Where the private bytes went of what the test did until here, as data. It comes last in a test, and is the same each round.

        The test's body is run twice more for it, up to here: to measure, and traced. CannotMeasure for a request that comes after.
        """
        if not self._explained:
            self.current_round()
        found = self.explainer()
        self._explained = True
        return found

    def current_round(self) -> Round:
        """The round that is running. CannotMeasure outside the test's body, and after `explain`."""
        if self._explained:
            raise CannotMeasure(
                "explain() ends what is measured: move it behind the test's last request"
            )
        if self._round is None:
            raise CannotMeasure(
                "cow_worker serves requests only inside the test's body: "
                "move this request from the fixture into the test, or its effect into cow_app's prepare"
            )
        return self._round

    def enter_round(self, current: Round | None) -> None:
        """Serve from `current` from here on."""
        self._round = current
        self._explained = False

    def _cannot_explain(self) -> "Explanation":
        raise CannotMeasure("only the cow_worker of a test can explain")

    def burst(self, method: str, url: str, *, times: int, **options: Any) -> httpx2.Response:
        """Make the same request `times` times, looped inside the worker; the last response.

        `options` are those of `build_request` (params, json, data, headers, ...). MixedStatuses unless all responses have the same status.
        """
        if times < 1:
            raise wrong_and_right("a burst is at least one request", f"times={times}", "times=1000")
        request = self.build_request(method, url, **options)
        if self.auth is not None:
            request = next(self.auth.sync_auth_flow(request))
        body = request.read()
        environ = make_environ(request)
        current = self.current_round()
        doing = f"serving {request.method} {request.url.raw_path.decode(_LATIN)}, {times} times"
        seen: httpx2.Response | None = None
        left = times
        while left:
            current.begin(doing)
            size = current.chunk(times, left)
            current.send(("burst", environ, body, size, current.timeout * _SILENCE))
            stream = ResponseStream(current, iter(()), before=times - left)
            response = stream.response(request)
            response.read()
            if seen is not None and seen.status_code != response.status_code:
                raise _mixed(str(seen.status_code), str(response.status_code), times - left + 1)
            seen = response
            left -= stream.served
        assert seen is not None
        self.cookies.extract_cookies(seen)
        return seen

    def call(self, function: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the worker: "module:function", or a function the worker can import. Its result, pickled on the way.

        CallRaised, with the worker's traceback, when it raises.
        """
        target = function if isinstance(function, str) else _importable(function)
        if ":" not in target:
            raise wrong_and_right(
                "call takes module:function", f"call({target!r})", 'call("shop.cache:fill")'
            )
        current = self.current_round()
        current.begin(f"calling {target}")
        try:
            arguments = pickle.dumps((args, kwargs))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"the arguments of {target} cannot be sent to the worker ({error}): give it what pickle can hold"
            ) from None
        current.send(("call", target, arguments))
        answer = current.receive()
        if answer[0] == "raised":
            current.served(1)
            raise CallRaised(f"{target} raised {answer[1]}\n\n{answer[2]!s}")
        result = current.receive()
        assert isinstance(result, bytes)
        current.served(1)
        try:
            return pickle.loads(result)
        except Exception as error:
            raise UsageError(
                f"what {target} returned cannot be read in the test ({error}): return plain types, or add the app's folder to pythonpath"
            ) from None


class WorkerTransport(httpx2.BaseTransport):
    """Hands each request to the worker of the present round."""

    def __init__(self, current_round: Callable[[], Round]) -> None:
        self._current_round = current_round

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        current = self._current_round()
        has_body = (
            request.headers.get("content-length", "0") != "0"
            or "transfer-encoding" in request.headers
        )
        current.begin(f"serving {request.method} {request.url.raw_path.decode(_LATIN)}")
        current.send(("request", make_environ(request), has_body))
        assert isinstance(request.stream, httpx2.SyncByteStream)
        stream = current.response = ResponseStream(current, iter(request.stream))
        return stream.response(request)


class ResponseStream(httpx2.SyncByteStream):
    """A response's body as the worker sends it, feeding it the request's body as the app asks for it."""

    def __init__(self, current: Round, body: Iterator[bytes], before: int = 0) -> None:
        self.round = current
        self.served = 0
        self._before = before
        self._body = body
        self._rest = memoryview(b"")
        self._over = False
        self._waited = 0.0

    def response(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for the status line; the body stays in this stream."""
        head = self._next()
        if not isinstance(head, tuple):
            raise httpx2.RemoteProtocolError(
                "the app ended its response before it began", request=request
            )
        _, status, headers = head
        code, _, reason = status.partition(" ")
        return httpx2.Response(
            int(code),
            headers=[(name.encode(_LATIN), value.encode(_LATIN)) for name, value in headers],
            stream=self,
            request=request,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason.encode(_LATIN)},
        )

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(piece := self._next(), bytes):
            yield piece

    def close(self) -> None:
        """Read the rest and drop it: a worker still sending is not at its end. WorkerDied when there is no end to it."""
        while self.round.alive and self._next() is not None:
            pass

    def _next(self) -> Any:
        """The next piece of the body, the head's message, or None at the end."""
        while not self._over:
            frame = self._frame()
            if isinstance(frame, bytes) or frame[0] == "start":
                return frame
            if frame[0] == "read":
                self._feed(frame[1])
                continue
            if frame[0] == "going":
                self._waited = 0.0
                continue
            self._over = True
            if frame[0] == "done":
                self.served = frame[1]
                self.round.served(self.served)
                continue
            self.round.served(1)
            if frame[0] == "mixed":
                first, other, at = frame[1:]
                raise _mixed(first, other, self._before + at)
            raise httpx2.RemoteProtocolError(
                "the app raised after its response had begun: its traceback is in the captured stderr"
            )
        return None

    def _frame(self) -> wire.Message | bytes:
        """The worker's next frame. WorkerDied where it takes too long over one request, what the test does in between not counted."""
        asked = time.monotonic()
        frame = self.round.receive()
        self._waited += time.monotonic() - asked
        if self._waited > self.round.timeout:
            raise self.round.overdue("had not ended its response")
        return frame

    def _feed(self, most: int) -> None:
        """Send the next piece of the request's body; where the test's own iterator raises, the app sees the client go."""
        try:
            while not self._rest and (piece := next(self._body, None)) is not None:
                self._rest = memoryview(piece)
        except BaseException:
            self.round.send(("gone",))
            self.close()
            raise
        self.round.send_body(self._rest[:most])
        self._rest = self._rest[most:]


def _mixed(first: str, other: str, at: int) -> MixedStatuses:
    return MixedStatuses(
        f"the responses of the burst have different statuses: {first} first, {other} at request {at}; "
        "repeat a request whose answer stays the same"
    )


def make_environ(request: httpx2.Request) -> dict[str, str]:
    """The part of WSGI's environ that comes from the request, as gunicorn would fill it."""
    path, _, query = request.url.raw_path.decode(_LATIN).partition("?")
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode(_LATIN),
        "QUERY_STRING": query,
        "RAW_URI": request.url.raw_path.decode(_LATIN),
        "SERVER_NAME": request.url.host,
        "SERVER_PORT": str(request.url.port or {"http": 80, "https": 443}[request.url.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "pytest-cowmem",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": request.url.scheme,
    }
    for raw_name, raw_value in request.headers.raw:
        name, value = raw_name.decode(_LATIN).upper().replace("-", "_"), raw_value.decode(_LATIN)
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _importable(function: Callable[..., Any]) -> str:
    """`module:name` of a function, if that is where to find it."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    bound = not isinstance(getattr(function, "__self__", None), (type, ModuleType, NoneType))
    if not isinstance(module, str) or "<" in name or bound:
        raise UsageError(
            f"call cannot send {function!r} to the worker: give it a function defined at the top of a module that the app's path reaches"
        )
    return f"{module}:{name}"
