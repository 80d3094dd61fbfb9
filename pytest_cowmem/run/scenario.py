"""One test's scenario: run its body in rounds, judge the measurement, make the record. Runs in the pytest process."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx2
import pytest

from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.rounds import TracedRound, empty_cost
from pytest_cowmem.explain.rows import Trace
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.handle import Zygote
from pytest_cowmem.host.machine import describe, profile_key
from pytest_cowmem.host.round import Round
from pytest_cowmem.judge.baseline import Baseline, Entry
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.verdict import (
    Judgment,
    Verdict,
    fails,
    gravest,
    judge,
    needs_more_rounds,
    notes,
    tolerances_of,
)
from pytest_cowmem.model.errors import CannotMeasure
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.record import Record
from pytest_cowmem.run.prove import KINDS, prove
from pytest_cowmem.run.settings import Settings

AnyRound = TypeVar("AnyRound", bound=Round)

_MOST_ROUNDS = 3  # times the rounds asked for


class TraceFirst(BaseException):
    """Ends a round in which the test asked for an explanation, which a traced one has to give; no `except Exception` may stop it."""


@dataclass
class Scenario:
    """What one test needs to be measured."""

    test: str
    source: str
    client: CowWorker
    zygote: Zygote
    budget: Budget
    settings: Settings
    baseline: Baseline
    running: bool = False
    explanation: Explanation | None = None
    _sample: Sample | None = None

    def __post_init__(self) -> None:
        self.client.explainer = self._explain_here

    def measure(self, body: Callable[[], object]) -> Record:
        """Run the body in rounds, three times as many where that could change the verdict, and judge. What it raises comes through."""
        profile = profile_key(os.environ | dict(self.zygote.app.env))
        known = self.baseline.profiles.get(profile)
        entry = known.tests.get(self.test) if known else None
        tolerances = tolerances_of(self.budget, self.settings.tolerances)
        samples: list[Sample] = []
        least = self.budget.rounds or self.settings.rounds
        wanted = least
        while True:
            with suppress(TraceFirst), self._round() as current:
                body()
                samples.append(current.finish())
            if not samples:
                self._trace_first(body)
            if len(samples) < wanted:
                continue
            measurement = Measurement.of(samples)
            judgments = judge(measurement, self.budget, entry, tolerances, self.zygote.layout)
            if wanted > least or not needs_more_rounds(judgments):
                break
            wanted = _MOST_ROUNDS * least
        environment = describe(self.zygote.facts)
        found = Entry(
            measurement.values,
            measurement.spread,
            measurement.rounds,
            self.source,
            gc_state(self.zygote),
            self.zygote.layout,
        )
        verdict = gravest(judgments, entry, known is not None or not self.baseline.profiles)
        return Record(
            test=self.test,
            profile=profile,
            environment=environment,
            app=self.zygote.app.label,
            size=self.zygote.size,
            measurement=measurement,
            judgments=tuple(judgments),
            verdict=verdict,
            entry=found,
            failed=fails(
                judgments,
                verdict,
                self.settings.strict,
                self.settings.ratchet,
                self.settings.update,
            ),
            notes=tuple(notes(found, entry, environment, known.environment if known else {})),
            known=entry,
        )

    def calls_for_explanation(self, record: Record) -> bool:
        """Whether a record is to say why: it is red for what it measured, or the user wants to know, or the baseline is to be written."""
        red = record.failed and record.verdict in (Verdict.OVER, Verdict.REGRESSED)
        return red or self.settings.explain or self.settings.update is not None

    def explain(self, body: Callable[[], object], record: Record) -> Record:
        """The record with its explanation, from one more round that is traced; with a note where that did not work."""
        if self.explanation is None:
            self._sample = Sample(
                record.measurement.values, record.measurement.imports, record.measurement.requests
            )
            try:
                with self._traced_round() as current:
                    body()
                    self.explanation = self._explanation(current.trace())
            except (KeyboardInterrupt, pytest.exit.Exception):
                raise
            except BaseException as error:  # a test may raise SystemExit, and a test that is measured is not to fail for this round
                said = f"{type(error).__name__}: {error}".partition("\n")[0]
                return replace(
                    record,
                    notes=(*record.notes, f"why is not known, since a traced round failed: {said}"),
                )
        return replace(
            record,
            explanation=self.explanation,
            entry=replace(record.entry, modules=self.explanation.modules),
        )

    def _explain_here(self) -> Explanation:
        """What the test's body gets that asks for an explanation: known already, or told by this traced round, or this round ends."""
        if self.explanation is None:
            current = self.client.current_round()
            if not isinstance(current, TracedRound):
                self._sample = current.finish()
                raise TraceFirst
            self.explanation = self._explanation(current.trace())
        return self.explanation

    def _trace_first(self, body: Callable[[], object]) -> None:
        """Trace after one more round that is measured: the first may have left byte code on disk, which no other round has to compile."""
        with suppress(TraceFirst), self._round():
            body()
        with self._traced_round():
            body()
        if self.explanation is None:
            raise CannotMeasure(
                "the test asks for an explanation in one round and not in the next: let it do the same each time"
            )

    def _explanation(self, trace: Trace) -> Explanation:
        assert self._sample is not None
        return make(
            trace,
            self._sample.values,
            self._tracing_cost,
            self.zygote.facts,
            self.settings.rootdir,
        )

    def prove(self, body: Callable[[], object], record: Record) -> Record:
        """The record with a proof of each kind: what a regression planted after the body must come to, for the gate to go red."""
        known = self.baseline.profiles.get(record.profile)
        entry = (known.tests.get(self.test) if known else None) or record.entry
        tolerances = tolerances_of(self.budget, self.settings.tolerances)

        def judge_private(private: int) -> Judgment:
            planted = replace(
                record.measurement,
                values={**record.measurement.values, "private": private},
                spread={},
            )
            judgments = judge(planted, self.budget, entry, tolerances, self.zygote.layout)
            return next(judgment for judgment in judgments if judgment.metric == "private")

        proofs = []
        for kind in KINDS:
            with self._round() as current:
                body()
                proofs.append(
                    prove(kind, current, record.measurement.values["private"], judge_private)
                )
        said = record.notes
        if (
            judge_private(record.measurement.values["private"]).verdict is Verdict.IMPROVED
            and self.settings.update is None
        ):
            said += (
                "private is below its baseline, and the gate lets it grow back: lock that in with --cowmem-update",
            )
        return replace(
            record, proofs=tuple(proofs), notes=said, failed=any(proof.failed for proof in proofs)
        )

    def _round(self) -> AbstractContextManager[Round]:
        return self._running(Round(self.zygote, self.settings.timeout))

    def _traced_round(self) -> AbstractContextManager[TracedRound]:
        assert self._sample is not None
        self._tracing_cost = empty_cost(self.zygote, self.settings.timeout)
        return self._running(TracedRound(self.zygote, self.settings.timeout, self._sample.requests))

    @contextmanager
    def _running(self, ready: AnyRound) -> Iterator[AnyRound]:
        headers, cookies = self.client.headers.copy(), httpx2.Cookies(self.client.cookies)
        self.running = True
        try:
            with ready as current:
                self.client.enter_round(current)
                yield current
        finally:
            self.running = False
            self.client.enter_round(None)
            self.client.headers, self.client.cookies = headers, cookies


def gc_state(zygote: Zygote) -> str:
    """The app's GC policy as it took effect: "freeze: on, 700 10 10, 41230 frozen"."""
    facts = zygote.facts
    thresholds = " ".join(map(str, facts["gc_thresholds"]))
    return f"{zygote.app.gc}: {'on' if facts['gc_enabled'] else 'off'}, {thresholds}, {facts['gc_frozen']} frozen"
