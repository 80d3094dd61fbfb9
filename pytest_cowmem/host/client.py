"""`cow_worker`: an httpx2 client that the forked worker serves. Runs in the pytest process."""

import pickle
from collections.abc import Callable
from types import ModuleType, NoneType
from typing import Any

import httpx2

from pytest_cowmem.host import answers
from pytest_cowmem.host.environ import make_environ, raw_path
from pytest_cowmem.host.response import ResponseStream, mixed
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CallRaised, CannotMeasure, UsageError, wrong_and_right
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.zygote import messages

_SILENCE = 0.05  # the share of the timeout after which a worker in a burst says that it goes on


def _cannot_explain(_current: Round) -> Explanation:
    raise CannotMeasure("only the cow_worker of a test can explain")


class CowWorker(httpx2.Client):
    """A client of the present round's worker; cookies and headers start over each round."""

    def __init__(self, explainer: Callable[[Round], Explanation] = _cannot_explain) -> None:
        self._round: Round | None = None
        self._explanation: Explanation | None = None
        self._explainer = explainer
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

    def burst(self, method: str, url: str, *, times: int, **options: Any) -> httpx2.Response:
        """Make the same request `times` times, looped inside the worker; the last response.

        `options` are those of `build_request`: params, json, data, headers and so on.
        MixedStatuses unless all responses have the same status.
        """
        if times < 1:
            raise wrong_and_right("a burst is at least one request", f"times={times}", "times=1000")
        request = self.build_request(method, url, **options)
        if self.auth is not None:
            request = next(self.auth.sync_auth_flow(request))
        request.read()
        last: httpx2.Response | None = None
        made = 0
        while made < times:
            stream = self._burst_chunk(request, times, made)
            response = stream.response(request)
            response.read()
            if last is not None and last.status_code != response.status_code:
                raise mixed(str(last.status_code), str(response.status_code), made + 1)
            last = response
            made += stream.served
        assert last is not None
        self.cookies.extract_cookies(last)
        return last

    def _burst_chunk(self, request: httpx2.Request, times: int, made: int) -> ResponseStream:
        """Ask for the next requests of a burst, of which `made` are over."""
        current = self.current_round()
        current.begin(f"serving {request.method} {raw_path(request)}, {times} times")
        size = current.chunk(times - made)
        seconds = current.timeout * _SILENCE
        environ = make_environ(request)
        current.send((messages.BURST, environ, request.content, size, seconds))
        return ResponseStream(current, iter(()), before=made)

    def call(self, function: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the worker: "module:function", or one that the worker can import.

        Its arguments and its result are pickled. CallRaised, with its traceback, when it raises.
        """
        target = function if isinstance(function, str) else _importable(function)
        if ":" not in target:
            raise wrong_and_right(
                "call takes module:function", f"call({target!r})", 'call("shop.cache:fill")'
            )
        try:
            arguments = pickle.dumps((args, kwargs))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"the arguments of {target} cannot be sent to the worker ({error}): "
                "give it what pickle can hold"
            ) from None
        current = self.current_round()
        current.begin(f"calling {target}")
        current.send((messages.CALL, target, arguments))
        answer = current.receive()
        result = current.receive() if isinstance(answer, answers.Returned) else b""
        current.served(1)
        if isinstance(answer, answers.Raised):
            raise CallRaised(f"{target} raised {answer.line}\n\n{answer.traceback}")
        assert isinstance(result, bytes)
        try:
            return pickle.loads(result)
        except Exception as error:
            raise UsageError(
                f"what {target} returned cannot be read in the test ({error}): "
                "return plain types, or add the app's folder to pythonpath"
            ) from None


class WorkerTransport(httpx2.BaseTransport):
    """Hands each request to the worker of the present round."""

    def __init__(self, current_round: Callable[[], Round]) -> None:
        self._current_round = current_round

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        current = self._current_round()
        headers = request.headers
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        current.begin(f"serving {request.method} {raw_path(request)}")
        current.send((messages.REQUEST, make_environ(request), has_body))
        assert isinstance(request.stream, httpx2.SyncByteStream)
        stream = current.response = ResponseStream(current, iter(request.stream))
        return stream.response(request)


def _importable(function: Callable[..., Any]) -> str:
    """`module:name` of a function, if that is where to find it."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    bound = not isinstance(getattr(function, "__self__", None), (type, ModuleType, NoneType))
    if not isinstance(module, str) or "<" in name or bound:
        raise UsageError(
            f"call cannot send {function!r} to the worker: "
            "give it a function defined at the top of a module that the app's path reaches"
        )
    return f"{module}:{name}"
