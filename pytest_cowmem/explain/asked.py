"""One test's explanation: asked for by the test itself, or by the run. Runs in the pytest process.

`cow_worker.explain()` returns in the middle of a test's body, and only a traced round can answer
it. So the call ends a measured round, by an exception, and the body runs again in a traced round.
Running the body a second time inside the first would need no exception. But it would enter the
test's `with` blocks twice, and locks, ports and patches are not made for that.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from pytest_cowmem.explain.leak_round import NOTHING, LeakRound
from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host.answers import Collected
from pytest_cowmem.host.growth_round import GrowthRound
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.growth import LEAST_REQUESTS, Growth
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import GROWTH, OF_GROWTH

Running = Callable[[Any], AbstractContextManager[Any]]
Measured = Sample | Measurement  # whose values and requests an explanation takes

_GROWTH_ROUNDS = 3  # at most: in one of 600, FastAPI in threads seemed to grow by 272 B


class TraceFirst(BaseException):
    """Ends a round that asked for an explanation; no `except Exception` of a test may stop it."""


class Explainer:
    """Explains one test; `explanation` is None until a traced round has given it."""

    def __init__(self, master: Preforked, timeout: float, rootdir: Path) -> None:
        self.explanation: Explanation | None = None
        self._master = master
        self._timeout = timeout
        self._rootdir = rootdir
        self._measured: Measured | None = None
        self._left = NOTHING

    def asked(self, current: Round) -> Explanation:
        """The explanation that a test's body asks for.

        A traced round makes it where it is not made yet. A measured round ends here by TraceFirst.
        """
        if self.explanation is None:
            if not isinstance(current, TracedRound):
                self._note(current)
                raise TraceFirst
            self._trace(current)
        assert self.explanation is not None
        return self.explanation

    def _note(self, current: Round) -> None:
        if isinstance(current, LeakRound):
            self._left = current.left()
        elif isinstance(current, GrowthRound):
            assert isinstance(self._measured, Sample)
            self._measured = self._measured.with_growth(current.growth())
        else:
            self._measured = current.finish()

    def sample(
        self, body: Callable[[], object], running: Running, master: Preforked, full: Collected
    ) -> Sample:
        """What one round of a body measures. A body that asks for an explanation is traced first.

        `running` opens a round and has the test's client talk to it. `master` may be another one of
        the same app. `full` is what a full collection costs there.
        """
        try:
            with running(Round(master, self._timeout)) as current:
                body()
                sample: Sample = current.finish(full)
                return sample
        except TraceFirst:
            self._answer(body, running)
        return self.sample(body, running, master, full)

    def growth(
        self, body: Callable[[], object], measured: Measured, running: Running
    ) -> Growth | None:
        """What a body that was measured leaves in use a request; None for too few requests.

        It is the least of up to three rounds. A leak is in each of them, and what the app's threads
        hold for a moment is not.
        """
        if measured.requests < LEAST_REQUESTS:
            return None
        found: list[Growth] = []
        for _ in range(_GROWTH_ROUNDS):
            with running(GrowthRound(self._master, self._timeout, measured.requests)) as current:
                body()
                growth: Growth | None = current.growth()
            if growth is None or not growth.per_request:
                return growth
            found.append(growth)
        return min(found, key=lambda one: one.per_request)

    def _answer(self, body: Callable[[], object], running: Running) -> None:
        """Run a body that has asked, until its explanation is made.

        Repeat the measured round before tracing: the first may have compiled late imports.
        """
        with suppress(TraceFirst), running(Round(self._master, self._timeout)):
            body()
        assert self._measured is not None
        with suppress(TraceFirst):
            self.growth(body, self._measured, running)
        with suppress(TraceFirst):
            self._look_for_leaks(body, running)
        with running(self._traced_round()):
            body()
        if self.explanation is None:
            raise CannotMeasure(
                "the test asks for an explanation in one round and not in the next: "
                "let it do the same each time"
            )

    def explain(
        self, body: Callable[[], object], measured: Measured, running: Running
    ) -> Explanation:
        """The explanation of a body that was measured; it is traced where it did not ask."""
        if self.explanation is None:
            self._measured = measured
            self._look_for_leaks(body, running)
            with running(self._traced_round()) as current:
                body()
                self._trace(current)
        assert self.explanation is not None
        return self.explanation

    def _look_for_leaks(self, body: Callable[[], object], running: Running) -> None:
        """Run a body that leaks once more, and note what keeps what it leaves behind."""
        assert self._measured is not None
        growth, requests = self._measured.growth, self._measured.requests
        if growth is None or growth.warming or growth.per_request <= OF_GROWTH.absolute:
            return
        with running(LeakRound(self._master, self._timeout, requests)) as current:
            body()
            self._left = current.left()

    def _traced_round(self) -> TracedRound:
        assert self._measured is not None
        return TracedRound(self._master, self._timeout, self._measured.requests)

    def _trace(self, current: TracedRound) -> None:
        assert self._measured is not None
        facts = self._master.facts
        values = dict(self._measured.values)
        if self._measured.growth and self._measured.growth.warming:  # no leak
            del values[GROWTH]
        self.explanation = make(current.trace(), values, facts, self._rootdir, self._left)
