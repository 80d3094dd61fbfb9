"""One test's scenario: run its body in rounds, judge the measurement, make the record. Runs in the pytest process."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx2

from pytest_cowmem.config import Settings
from pytest_cowmem.judge.baseline import Baseline, Entry
from pytest_cowmem.judge.budget import Budget
from pytest_cowmem.judge.verdict import Judgment, fails, gravest, judge, needs_more_rounds, notes, tolerances_of
from pytest_cowmem.measure.client import CowWorker
from pytest_cowmem.measure.machine import describe, profile_key
from pytest_cowmem.measure.round import Round
from pytest_cowmem.measure.sample import Measurement, Sample
from pytest_cowmem.measure.zygote import Zygote
from pytest_cowmem.prove import KINDS, prove
from pytest_cowmem.record import Record

_MOST_ROUNDS = 3  # times the rounds asked for


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

    def measure(self, body: Callable[[], object]) -> Record:
        """Run the body in rounds, more of them while they could change the verdict, and judge. What the body raises comes through."""
        profile = profile_key(os.environ | dict(self.zygote.app.env))
        known = self.baseline.profiles.get(profile)
        entry = known.tests.get(self.test) if known else None
        tolerances = tolerances_of(self.budget, self.settings.tolerances)
        samples: list[Sample] = []
        least = self.budget.rounds or self.settings.rounds
        while True:
            with self._round() as current:
                body()
                samples.append(current.finish())
            if len(samples) < least:
                continue
            measurement = Measurement.of(samples)
            judgments = judge(measurement, self.budget, entry, tolerances, self.zygote.layout)
            if len(samples) >= _MOST_ROUNDS * least or not needs_more_rounds(judgments):
                break
        environment = describe(self.zygote.facts)
        found = Entry(measurement.values, measurement.spread, measurement.rounds, self.source, gc_state(self.zygote), self.zygote.layout)
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
            failed=fails(judgments, verdict, self.settings.strict, self.settings.ratchet, self.settings.update),
            notes=tuple(notes(found, entry, environment, known.environment if known else {})),
        )

    def prove(self, body: Callable[[], object], record: Record) -> Record:
        """The record with a proof of each kind: what a regression planted after the body must come to, for the gate to go red."""
        known = self.baseline.profiles.get(record.profile)
        entry = (known.tests.get(self.test) if known else None) or record.entry
        tolerances = tolerances_of(self.budget, self.settings.tolerances)

        def judge_private(private: int) -> Judgment:
            planted = replace(record.measurement, values={"private": private}, spread={})
            judgments = judge(planted, self.budget, entry, tolerances, self.zygote.layout)
            return next(judgment for judgment in judgments if judgment.metric == "private")

        proofs = []
        for kind in KINDS:
            with self._round() as current:
                body()
                proofs.append(prove(kind, current, record.measurement.values["private"], judge_private))
        return replace(record, proofs=tuple(proofs), failed=any(proof.failed for proof in proofs))

    @contextmanager
    def _round(self) -> Iterator[Round]:
        headers, cookies = self.client.headers.copy(), httpx2.Cookies(self.client.cookies)
        self.running = True
        try:
            with Round(self.zygote, self.settings.timeout) as current:
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
