"""Replay a test under other policies. Runs in the pytest process.

Each layout has a raw master of its own, and each allocator too. All else is done in molds of these.
What is configured is replayed in a mold as well, since a raw master has another layout.

Layouts come one after another, and all policies within: what slows the machine for a while slows
all of them.
"""

import os
import sysconfig
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from ctypes.util import find_library
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pytest_cowmem.host.mold import Mold, reforked
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.script import (
    AnsweredOtherwiseError,
    Exchange,
    Recorded,
    ask,
    replay,
    warm_ups,
)
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.judge.what_if import best_two, outcome
from pytest_cowmem.model.app import App
from pytest_cowmem.model.baseline import LAYOUTS
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.model.policy import ALL, Policy
from pytest_cowmem.model.what_if import AS_CONFIGURED, Outcome, Requests

Body = Callable[[], object]
Running = Callable[[Any], AbstractContextManager[Any]]
# Opens a round, has its worker serve the test, and gives it.
Asked = Callable[[AbstractContextManager[Any]], AbstractContextManager[Any]]

_CONFIGURED = Policy()
_PREWARMED = Policy(requests=ALL)

_LOOKS = 0.2  # seconds between two looks at how far replays are

_THRESHOLDS = "50000,20,100"  # Instagram's


def policies(app: App, imports: Sequence[str], thresholds: Sequence[str]) -> Iterator[Policy]:
    """What the app does not have already; `imports` names late modules."""
    collects = app.gc != "off"
    frozen = app.gc == "freeze"
    if collects:
        yield Policy(gc="off")
        if not frozen:
            yield Policy(freeze=True)
        for three in dict.fromkeys((_THRESHOLDS, *thresholds)):
            if app.gc != three:
                yield Policy(freeze=not frozen, gc=three)
    yield Policy(requests=ALL)
    if collects and not frozen:
        yield Policy(requests=ALL, freeze=True)
    if imports:
        yield Policy(imports=tuple(imports))
    for environ in allocators(os.environ | dict(app.env)):
        yield Policy(environ=environ)


def allocators(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], ...]]:
    """The variables of each allocator that a master can be started with here."""
    now = environ.get("PYTHONMALLOC", "")
    for name, had in (
        ("pymalloc", bool(now)),
        ("malloc", True),
        ("mimalloc", sysconfig.get_config_var("WITH_MIMALLOC")),
    ):
        if had and now != name:
            yield (("PYTHONMALLOC", name),)
    library = find_library("jemalloc")
    preloaded = environ.get("LD_PRELOAD", "")
    if library and library not in preloaded:
        yield (("LD_PRELOAD", f"{library} {preloaded}".strip()),)


class Replays:
    """The replays of one test under policies, in all layouts.

    The body runs once. What it asked for is asked of all other workers, layouts side by side where
    processors are free. Where that gets other answers, the body runs each time, one after another.
    `app` is the app's, and each round answers within `timeout` seconds. `say` is told how far they
    are, by the thread that has made this.
    """

    def __init__(
        self,
        zygotes: Zygotes,
        app: App,
        timeout: float,
        body: Body,
        running: Running,
        say: Callable[[str], None],
    ) -> None:
        self._zygotes, self._app, self._timeout = zygotes, app, timeout
        self._body, self._running = body, running
        self._script: list[Exchange] = []
        self._warming: list[Exchange] = []
        self._by_body: set[Policy] = set()
        self._say, self._at = say, ""
        self._stopping = False
        self.samples: dict[Policy, list[Sample]] = {}
        self.failed: dict[Policy, str] = {}

    @property
    def gets(self) -> Requests:
        """(path, query) of each request that warms up."""
        return tuple(exchange.url for exchange in self._warming)

    def record(self) -> bool:
        """Run the body in a worker of what is configured; whether it asks for anything.

        What it asks for is kept. What of that a master may be asked for too is tried in a mold.
        """
        with (
            self._noting(_CONFIGURED),
            reforked(self._raw(_CONFIGURED, 0), self._timeout, _CONFIGURED, _nothing) as master,
            self._running(Recorded(master, self._timeout)) as current,
        ):
            self._body()
            self._script = current.script[:]
        with (
            self._noting(_PREWARMED),
            Mold(self._raw(_CONFIGURED, 0), self._timeout, _PREWARMED) as mold,
        ):
            self._warming = [
                exchange
                for exchange in warm_ups(self._script)
                if ask(exchange, mold)[0] == exchange.answer
            ]
        return bool(self._script)

    def run(self, policies: Collection[Policy]) -> None:
        """Replay the test under each policy; the samples of those that work are in `samples`."""
        self._side_by_side(policies)
        for policy in policies:
            if policy in self._by_body and policy not in self.failed:
                self.samples[policy] = []
                for layout in range(LAYOUTS):
                    self._try(policy, layout, self._asked_by_body)
                    self._say(self._at)

    def _side_by_side(self, policies: Collection[Policy]) -> None:
        """Replay in as many layouts at a time as there are processors.

        A layout's masters are started here, since each ends with the thread that has started it.
        """
        at_work: set[Future[None]] = set()
        with ThreadPoolExecutor(processors()) as pool:
            try:
                for layout in range(LAYOUTS):
                    if len(at_work) == processors():
                        at_work = self._rest(at_work)
                    for policy in policies:
                        self._zygotes.begin_raw(self._started_as(policy), layout)
                    at_work.add(pool.submit(self._in_layout, layout, policies))
                while at_work:
                    at_work = self._rest(at_work)
            except BaseException:
                self._stopping = True
                raise

    def _rest(self, at_work: set[Future[None]]) -> set[Future[None]]:
        """Wait for one at least, and say how far they are; those that are not done."""
        found = wait(at_work, timeout=_LOOKS, return_when=FIRST_COMPLETED)
        while not found.done:
            self._say(self._at)
            found = wait(at_work, timeout=_LOOKS, return_when=FIRST_COMPLETED)
        for future in found.done:
            future.result()
        return found.not_done

    def _in_layout(self, layout: int, policies: Collection[Policy]) -> None:
        """Replay under each policy in one layout."""
        for policy in policies:
            if policy not in self._by_body:
                # A master that has served may have workers that answer otherwise.
                asked = partial(self._asked_by_script, strictly=policy.requests > 0)
                self._try(policy, layout, asked)

    def _try(self, policy: Policy, layout: int, asked: Asked) -> None:
        """Add a sample of one policy in one layout, unless that fails, or has."""
        if policy not in self.failed:
            self._at = f"what if {policy.name or AS_CONFIGURED}, layout {layout + 1} of {LAYOUTS}"
            with self._noting(policy):
                sample = self._sample(self._raw(policy, layout), policy, asked)
                self.samples.setdefault(policy, []).append(sample)

    @contextmanager
    def _noting(self, policy: Policy) -> Iterator[None]:
        """Note why a policy cannot be tried, or not by the script."""
        try:
            yield
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except AnsweredOtherwiseError:
            # What is configured is compared with all others.
            self._by_body.update({policy, _CONFIGURED})
        except BaseException as error:  # a scenario may not work twice, or in such a process
            self.failed[policy] = str(error).partition("\n")[0]

    def _sample(self, raw: Preforked, policy: Policy, asked: Asked) -> Sample:
        """What one round of the test costs, once a raw master has followed a policy."""

        with (
            reforked(raw, self._timeout, policy, self._warm_up) as master,
            asked(Round(master, self._timeout)) as current,
        ):
            sample: Sample = current.finish(aging=True)
            return sample

    @contextmanager
    def _asked_by_body(self, opened: AbstractContextManager[Any]) -> Iterator[Any]:
        with self._running(opened) as current:
            self._body()
            yield current

    @contextmanager
    def _asked_by_script(
        self, opened: AbstractContextManager[Any], strictly: bool
    ) -> Iterator[Any]:
        with opened as current:
            replay(self._until_stopped(), current, strictly)
            yield current

    def _warm_up(self, mold: Mold) -> None:
        """Have a mold serve what its master could have asked for: no more can be pasted."""
        for exchange in self._warming:
            ask(exchange, mold)

    def _until_stopped(self) -> Iterator[Exchange]:
        for exchange in self._script:
            if self._stopping:
                raise CannotMeasure("the run was interrupted: start it again")
            yield exchange

    def _raw(self, policy: Policy, layout: int) -> Preforked:
        return self._zygotes.raw(self._started_as(policy), layout)

    def _started_as(self, policy: Policy) -> App:
        return replace(self._app, env={**self._app.env, **dict(policy.environ)})


def processors() -> int:
    """How many processors this process has for itself, beside other workers of pytest-xdist."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(1, len(os.sched_getaffinity(0)) // workers)


def _nothing(_mold: Mold) -> None:
    """What is configured has the mold serve nothing."""


def what_if(replays: Replays, policies: Sequence[Policy], host: int) -> tuple[Outcome, ...]:
    """What a test costs as it is configured, under each policy, and under the best two at once.

    Nothing for a test that makes no requests.
    """
    if not replays.record() and not replays.failed:
        return ()  # nothing is asked for
    if not replays.gets:
        # Where that was tried in vain, the reason is told once.
        policies = [one for one in policies if not one.requests or one in replays.failed]
    if _CONFIGURED not in replays.failed:
        replays.run([_CONFIGURED, *policies])

    def told(policy: Policy) -> Outcome:
        name = policy.name or AS_CONFIGURED
        if policy in replays.failed:
            return Outcome(name, policy, failed=replays.failed[policy])
        samples = replays.samples
        found = outcome(name, policy, samples[policy], samples[_CONFIGURED], host)
        return replace(found, requests=replays.gets if policy.requests else ())

    if _CONFIGURED in replays.failed:
        return (told(_CONFIGURED),)
    outcomes = [told(policy) for policy in policies]
    for policy in best_two(outcomes):
        replays.run([policy])
        outcomes.append(told(policy))
    return (told(_CONFIGURED), *outcomes)
