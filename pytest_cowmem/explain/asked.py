"""One test's explanation: asked for by the test itself, or by the run. Runs in the pytest process.

`cow_worker.explain()` returns in the middle of a test's body, and only a traced round can answer
it. So the call ends each round, by an exception, until all is known: measured, traced, and one
round for each piece of advice that is tried.
Running the body a second time inside the first would need no exception. But it would enter the
test's `with` blocks twice, and locks, ports and patches are not made for that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_cowmem.explain.advice import proposals
from pytest_cowmem.explain.case import Accepted, Case, Proposal
from pytest_cowmem.explain.leak_round import NOTHING, LeakRound
from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.explain.tried import settled, to_try
from pytest_cowmem.host.answers import Collected
from pytest_cowmem.host.growth_round import GrowthRound
from pytest_cowmem.host.mold import Mold, Reforked, reforked
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.growth import LEAST_REQUESTS, Growth
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import CHILDREN, FIRST, GROWTH, OF_GROWTH, PRIVATE
from pytest_cowmem.model.policy import Policy

Running = Callable[[Any], AbstractContextManager[Any]]
Measured = Sample | Measurement  # whose values and requests an explanation takes

_GROWTH_ROUNDS = 3  # at most: in one of 600, FastAPI in threads seemed to grow by 272 B


class TraceFirst(BaseException):
    """Ends a round that asked for an explanation; no `except Exception` of a test may stop it."""


class Explainer:
    """Explains one test; `explanation` is None until it has been traced, and advice was tried.

    `built_in` starts the zygote that is traced, and where growth is measured, where `master` is a
    real server, and `raw` a master
    that forks molds. `accepted` is what the baseline has of the test. `draws` says that a report is
    to show memory and pauses.
    """

    def __init__(
        self,
        master: Preforked,
        timeout: float,
        rootdir: Path,
        built_in: Callable[[], Preforked],
        raw: Callable[[], Preforked],
        accepted: Accepted = Accepted(),  # noqa: B008  # it is frozen
        draws: bool = False,
    ) -> None:
        self.explanation: Explanation | None = None
        self.accepted = accepted
        self._master = master
        self._built_in = built_in
        self._raw = raw
        self._timeout = timeout
        self._rootdir = rootdir
        self._draws = draws
        self._measured: Measured | None = None
        self._left = NOTHING
        self._case: Case | None = None
        self._under_policy: int | None = None

    def asked(self, current: Round) -> Explanation:
        """The explanation that a test's body asks for. Where it is not made yet, TraceFirst."""
        if self.explanation is None:
            self._note(current)
            raise TraceFirst
        return self.explanation

    def _note(self, current: Round) -> None:
        """Keep what a round that ends here is for."""
        if isinstance(current, TracedRound):
            self._trace(current)
        elif isinstance(current, LeakRound):
            self._left = current.left()
        elif isinstance(current.master, Reforked):
            self._under_policy = _figure(current)
        elif isinstance(current, Mold):
            pass  # it is there to serve
        elif isinstance(current, GrowthRound):
            assert isinstance(self._measured, Sample)
            self._measured = self._measured.with_growth(current.growth())
        else:
            self._measured = current.finish()

    def sample(
        self,
        body: Callable[[], object],
        running: Running,
        master: Preforked,
        full: Collected,
        *,
        aging: bool,
    ) -> Sample:
        """What one round of a body measures. A body that asks for an explanation is traced first.

        `running` opens a round and has the test's client talk to it. `master` may be another one of
        the same app. `full` is what a full collection costs there. `aging` is as `Round.finish`
        takes it. Of the first layout, the round that ages is drawn.
        """
        draws = self._draws and aging and master is self._master
        try:
            with running(Round(master, self._timeout, draws=draws)) as current:
                body()
                sample: Sample = current.finish(full, aging=aging)
                return sample
        except TraceFirst:
            self._answer(body, running)
        return self.sample(body, running, master, full, aging=aging)

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
            with running(
                GrowthRound(self._built_in(), self._timeout, measured.requests)
            ) as current:
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
        with suppress(TraceFirst), running(self._traced_round()):
            body()
        self._advise(body, running, shown=True)
        if self.explanation is None:
            raise CannotMeasure(
                "the test asks for an explanation in one round and not in the next: "
                "let it do the same each time"
            )

    def explain(
        self, body: Callable[[], object], measured: Measured, running: Running, shown: bool
    ) -> Explanation:
        """The explanation of a body that was measured; it is traced where it did not ask.

        Its advice is tried where it is `shown`.
        """
        if self.explanation is None:
            self._measured = self._of_built_in(body, measured, running)
            self._look_for_leaks(body, running)
            with running(self._traced_round()) as current:
                body()
                self._trace(current)
            self._advise(body, running, shown)
        assert self.explanation is not None
        return self.explanation

    def _of_built_in(
        self, body: Callable[[], object], measured: Measured, running: Running
    ) -> Measured:
        """What was measured, of the zygote that is traced: a real server's worker takes more."""
        if self._built_in() is self._master:
            return measured
        with running(Round(self._built_in(), self._timeout)) as current:
            body()
            sample: Sample = current.finish()
            return sample.with_growth(measured.growth)

    def _look_for_leaks(self, body: Callable[[], object], running: Running) -> None:
        """Run a body that leaks once more, and note what keeps what it leaves behind."""
        assert self._measured is not None
        growth, requests = self._measured.growth, self._measured.requests
        if growth is None or growth.warming or growth.per_request <= OF_GROWTH.absolute:
            return
        with running(LeakRound(self._built_in(), self._timeout, requests)) as current:
            body()
            self._left = current.left()

    def _traced_round(self) -> TracedRound:
        assert self._measured is not None
        requests = self._measured.requests
        return TracedRound(self._built_in(), self._timeout, requests, draws=self._draws)

    def _trace(self, current: TracedRound) -> None:
        assert self._measured is not None
        facts = self._built_in().facts
        values = _of_the_worker(self._measured.values)
        if self._measured.growth and self._measured.growth.warming:  # no leak
            del values[GROWTH]
        trace = current.trace()
        why = make(trace, values, self._rootdir, self._left)
        self._case = Case.of(why, trace, facts, self.accepted, self._rootdir)

    def _advise(self, body: Callable[[], object], running: Running, shown: bool) -> None:
        """Make the explanation of the traced round, with advice that is tried where it is shown."""
        if self._case is None:
            return
        said = proposals(self._case)
        gains = self._gains(to_try(said) if shown else [], body, running)
        said = [
            one
            for one in said
            if not (one.instead and one.policy in gains and self._leaks_under(one, body, running))
        ]
        advice = settled(said, self._private(), gains)
        self.explanation = replace(self._case.why, advice=advice)

    def _gains(
        self, policies: Sequence[Policy], body: Callable[[], object], running: Running
    ) -> dict[Policy, int]:
        """What each policy wins back, in bytes, without those under which the body does not run.

        A mold that does nothing is what they are compared with: a raw master has another layout. It
        may take some pages more than was measured, and no more than that can be won back.
        """
        gains: dict[Policy, int] = {}
        without = self._under(Policy(), self._plain, body, running) if policies else None
        if without is not None:
            for policy in policies:
                private = self._under(policy, self._plain, body, running)
                if private is not None:
                    gains[policy] = min(without - private, self._private())
        return gains

    def _private(self) -> int:
        """What was measured in the layout that advice is tried in, in bytes."""
        measured = self._measured
        assert measured is not None
        if isinstance(measured, Measurement) and PRIVATE in measured.layouts:
            return measured.layouts[PRIVATE][0]
        return measured.values[PRIVATE]

    def _leaks_under(
        self, proposal: Proposal, body: Callable[[], object], running: Running
    ) -> bool:
        """Whether requests leave half as much behind, or more, where a proposal is followed.

        What is filled before the fork is filled again where it leaks.
        """
        assert proposal.policy is not None
        assert self._case is not None
        rise = self._under(proposal.policy, self._growing, body, running)
        return rise is None or 2 * rise > self._case.value(GROWTH)

    def _plain(self, master: Preforked) -> Round:
        return Round(master, self._timeout)

    def _growing(self, master: Preforked) -> Round:
        assert self._measured is not None
        return GrowthRound(master, self._timeout, self._measured.requests)

    def _under(
        self,
        policy: Policy,
        opened: Callable[[Preforked], Round],
        body: Callable[[], object],
        running: Running,
    ) -> int | None:
        """The figure of a round of a body under a policy; None where it did not run through.

        The body runs once more in the mold where that is to serve something.
        """

        def serve(mold: Mold) -> None:
            with suppress(TraceFirst), running(nullcontext(mold)):
                body()

        self._under_policy = None
        try:
            with (
                reforked(self._raw(), self._timeout, policy, serve) as master,
                running(opened(master)) as current,
            ):
                body()
                self._note(current)
        except TraceFirst:
            pass
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException:  # a scenario may not work twice, and pytest.fail is none of Exception
            return None
        return self._under_policy


def _of_the_worker(values: Mapping[str, int]) -> dict[str, int]:
    """The same without what the worker's descendants took, which are not traced."""
    alone = dict(values)
    if children := alone.pop(CHILDREN, 0):
        alone[PRIVATE] -= children
        alone.pop(FIRST, None)
    return alone


def _figure(current: Round) -> int | None:
    """What a round under a policy is for: what stays in use a request, or else private bytes."""
    return current.rise() if isinstance(current, GrowthRound) else current.finish().values[PRIVATE]
