"""`cow_worker`: an httpx2 client that the forked worker serves. Runs in the pytest process."""

from collections.abc import Callable
from typing import Any

import httpx2

from pytest_cowmem.host.asking import as_message, refuse_at_once
from pytest_cowmem.host.calling import Function, call, pickled, refuse_unknown, target_of
from pytest_cowmem.host.environ import raw_path
from pytest_cowmem.host.response import ResponseStream, mixed
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.served import serve
from pytest_cowmem.model.errors import CannotMeasure, wrong_and_right
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.zygote import messages

_SILENCE = 0.05  # the share of the timeout after which a worker in a burst says that it goes on


def _cannot_explain(_current: Round) -> Explanation:
    raise CannotMeasure("only the cow_worker of a test can explain")


class CowWorker(httpx2.Client):
    """A client of the present round's worker; cookies and headers start over each round."""

    def __init__(
        self,
        explainer: Callable[[Round], Explanation] = _cannot_explain,
        own_module: str = "",
    ) -> None:
        """Talk to no round yet. `own_module` is the test's."""
        self._round: Round | None = None
        self._explanation: Explanation | None = None
        self._explainer = explainer
        self._own_module = own_module
        super().__init__(
            transport=WorkerTransport(self.current_round),
            base_url="http://localhost",
            trust_env=False,
            timeout=None,
        )

    def explain(self) -> Explanation:
        """The explanation of the private bytes that the test took until here.

        It comes last in a test: CannotMeasure for a request after it. The test's body is run twice
        more for it, up to here: to measure, and traced.
        """
        if self._explanation is None:
            self._explanation = self._explainer(self.current_round())
        return self._explanation

    def current_round(self) -> Round:
        """The round that is running. CannotMeasure outside the test's body, and after `explain`."""
        if self._explanation is not None:
            raise CannotMeasure(
                "explain() ends what is measured: move it behind the test's last request"
            )
        if self._round is None:
            raise CannotMeasure(
                "cow_worker serves requests only inside the test's body: move this request from "
                "the fixture into the test, or its effect into cow_app's prepare"
            )
        return self._round

    def enter_round(self, current: Round | None) -> None:
        """Serve from `current` from here on."""
        self._round = current
        self._explanation = None

    def burst(
        self, method: str, url: str, *, times: int, concurrency: int = 1, **options: Any
    ) -> httpx2.Response:
        """Make the same request `times` times, looped inside the worker; the last response.

        An ASGI app may have several of them at once. `options` are those of `build_request`:
        params, json, data, headers and so on. MixedStatuses unless all responses have the same
        status.
        """
        for name, number in (("times", times), ("concurrency", concurrency)):
            if number < 1:
                problem = "a burst is at least one request at a time"
                raise wrong_and_right(problem, f"{name}={number}", "times=1000, concurrency=10")
        refuse_at_once(concurrency, self.current_round().master)
        request = self.build_request(method, url, **options)
        if self.auth is not None:
            request = next(self.auth.sync_auth_flow(request))
        request.read()
        last: httpx2.Response | None = None
        made = 0
        while made < times:
            response, served = self._burst_chunk(request, times, made, concurrency)
            if last is not None and last.status_code != response.status_code:
                raise mixed(str(last.status_code), str(response.status_code), made + 1)
            last = response
            made += served
        assert last is not None
        self.cookies.extract_cookies(last)
        return last

    def _burst_chunk(
        self, request: httpx2.Request, times: int, made: int, at_once: int
    ) -> tuple[httpx2.Response, int]:
        """Make the next requests of a burst, of which `made` are over: the last response, how many.

        A worker that speaks HTTP is asked for one at a time.
        """
        current = self.current_round()
        if current.pair.transport:
            response = serve(current, current.pair.transport, request)
            response.read()
            return response, 1
        current.begin(f"serving {request.method} {raw_path(request)}, {times} times")
        size = current.chunk(times - made)
        seconds = current.timeout * _SILENCE
        message = as_message(request, current.master)
        current.send((messages.BURST, message, request.content, size, seconds, at_once))
        stream = ResponseStream(current, iter(()), before=made)
        response = stream.response(request)
        response.read()
        return response, stream.served

    def call(self, function: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the worker: "module:function", or one that the worker can import.

        Its arguments and its result are pickled, and a coroutine function is awaited. CallRaised,
        with its traceback, when it raises.
        """
        return self._called(function, args, kwargs, 1)

    def call_burst(self, function: Function, /, *args: Any, times: int, **kwargs: Any) -> Any:
        """Call a function `times` times, looped inside the worker; the last result.

        Each call has arguments of its own. CallRaised, with its traceback, for the first that
        raises.
        """
        if times < 1:
            raise wrong_and_right("a burst is at least one call", f"times={times}", "times=1000")
        return self._called(function, args, kwargs, times)

    def _called(
        self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], times: int
    ) -> Any:
        target = target_of(function)
        arguments = pickled(target, args, kwargs)
        current = self.current_round()
        if current.pair.transport:
            raise CannotMeasure(
                "a worker of a real server has no call(): ask it by HTTP, or measure this test in "
                "the built-in zygote, with cow_app(server=None)"
            )
        refuse_unknown(target, self._own_module, current)
        return call(current, target, arguments, times, current.timeout * _SILENCE)


class WorkerTransport(httpx2.BaseTransport):
    """Hands each request to the worker of the present round."""

    def __init__(self, current_round: Callable[[], Round]) -> None:
        self._current_round = current_round

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        current = self._current_round()
        if current.pair.transport:
            return serve(current, current.pair.transport, request)
        headers = request.headers
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        message = as_message(request, current.master)
        current.begin(f"serving {request.method} {raw_path(request)}")
        current.send((messages.REQUEST, message, has_body))
        assert isinstance(request.stream, httpx2.SyncByteStream)
        stream = current.response = ResponseStream(current, iter(request.stream))
        return stream.response(request)
