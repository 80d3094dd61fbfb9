"""Run one test's body in rounds, and judge what they measured. Runs in the pytest process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx2
import pytest

from pytest_cowmem.explain.asked import Explainer
from pytest_cowmem.host.answers import Collected
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.judge.gate import Gate, undecided
from pytest_cowmem.judge.what_if import helps
from pytest_cowmem.model.baseline import LAYOUTS, Entry
from pytest_cowmem.model.capacity import SERVER
from pytest_cowmem.model.errors import AppFailed, CowmemError
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.verdict import TOO_HIGH, Judgment, Ruling, Verdict, judgment_of
from pytest_cowmem.report.ranked import red_metrics
from pytest_cowmem.run.causes import Causes
from pytest_cowmem.run.progress import Progress
from pytest_cowmem.run.prove import KINDS, prove
from pytest_cowmem.run.settings import Settings
from pytest_cowmem.run.what_if import Replays, policies, what_if

AnyRound = TypeVar("AnyRound", bound=Round)
Body = Callable[[], object]

_MORE_ROUNDS = 3  # times the rounds asked for


@dataclass
class Scenario:
    """What one test needs to be measured; `running` says that a round of it is under way.

    `other_layouts` starts masters that have the same app in other layouts. `moved` gives a sentence
    where a fixed app has moved too.
    """

    test: str
    place: str
    client: CowWorker
    master: Preforked
    other_layouts: Callable[[], Iterator[Preforked]]
    moved: Callable[[], Iterable[str]]
    gate: Gate
    settings: Settings
    explainer: Explainer
    causes: Causes
    zygotes: Zygotes
    progress: Progress
    running: bool = False

    def measure(self, body: Body) -> Record:
        """Run the body in rounds and judge them. What it raises comes through.

        Each layout has one round whose worker ages. It is not the first, which may compile.

        Three times as many rounds are run where that could change the verdict. Each of them has a
        full collection of its own beside it, since a time may be too long.
        """
        rounds = self.gate.budget.rounds or self.settings.rounds
        full = self.master.full_collection()
        samples = [
            self._sample(body, self.master, full, aging=left == 1) for left in range(rounds, 0, -1)
        ]
        measurement = self._summary(samples)
        if undecided(self.gate.judge(measurement)) or self.gate.rounds_differ(measurement):
            samples += [
                self._sample(body, self.master, self.master.full_collection())
                for _ in range((_MORE_ROUNDS - 1) * rounds)
            ]
            measurement = self._summary(samples)
        measurement, notes = self._in_other_layouts(body, samples, measurement)
        growth = self.explainer.growth(body, measurement, self._running)
        measurement = measurement.with_growth(growth)
        ruling = self.gate.judge(measurement)
        moved = self.moved() if ruling.failed and ruling.verdict is Verdict.REGRESSED else ()
        conditions = self.gate.conditions
        record = Record(
            test=self.test,
            profile=conditions.profile,
            environment=conditions.environment,
            place=self.place,
            app=self.master.app.label,
            target=self.master.app.target,
            options=self.master.app.options,
            size=self.master.size,
            brought=self.master.facts.brought,
            interface=self.master.facts.interface,
            measurement=measurement,
            judgments=ruling.judgments,
            verdict=ruling.verdict,
            failed=ruling.failed,
            notes=(*moved, *ruling.notes, *notes, *self.master.notes),
            entry=Entry.of(measurement, conditions, self.gate.figures),
            accepted=self.gate.accepted,
            tolerances=self.gate.tolerances,
        )
        return record if growth is None else self._noted(record)

    def _in_other_layouts(
        self, body: Body, samples: Sequence[Sample], measurement: Measurement
    ) -> tuple[Measurement, list[str]]:
        """The measurement over as many layouts as it takes, and notes on what could not be had.

        What an update is about to write is of all of them. A test that is in doubt is measured
        until it is clear.
        """
        others: list[Sample] = []
        masters = self.other_layouts()
        while self.gate.in_doubt(measurement) or self._is_written(self.gate.judge(measurement)):
            self.progress.say(f"layout {len(others) + 2} of at most {LAYOUTS}")
            try:
                master = next(masters, None)
            except AppFailed as error:
                said = str(error).partition("\n")[0]
                layouts = "1 layout" if not others else f"{len(others) + 1} layouts"
                return measurement, [f"only {layouts} could be measured: {said}"]
            if master is None:
                break
            others.append(self._sample(body, master, master.full_collection(), aging=True))
            measurement = self._summary(samples, others)
        return measurement, []

    def _summary(self, samples: Sequence[Sample], others: Sequence[Sample] = ()) -> Measurement:
        server = 0 if self.master.app.server else SERVER
        return Measurement.of(samples, others).with_workers(self.settings.host, server)

    def _sample(
        self, body: Body, master: Preforked, full: Collected, *, aging: bool = False
    ) -> Sample:
        return self.explainer.sample(body, self._running, master, full, aging=aging)

    def _is_written(self, found: Ruling | Record) -> bool:
        """Whether an update is about to write figures that count pages."""
        update = self.settings.update
        return update == "all" or (update is not None and found.verdict is not Verdict.OK)

    def calls_for_explanation(self, record: Record) -> bool:
        """Whether a record is to say why: it is too high, the user asks, or it is written."""
        return _is_red(record) or self.settings.explain or self._is_written(record)

    def explain(self, body: Body, record: Record) -> Record:
        """The record with its explanation, or with what it has instead of one.

        Where nobody asked for this test's, red tests are traced as far as their causes differ.
        """
        app, asked = self.master.app, self.settings.explain or self._is_written(record)
        if asked or not _is_red(record):
            return self._traced(body, record)
        if self.explainer.explanation is None and (known := self.causes.untraced(app, record)):
            return known
        return self.causes.traced(app, self._traced(body, record))

    def _traced(self, body: Body, record: Record) -> Record:
        """The record with its explanation, or with a note where a traced round did not work."""
        red = frozenset(red_metrics(record)) if record.failed else frozenset()
        self.explainer.accepted = replace(self.explainer.accepted, red=red)
        self.progress.say("finding out why")
        try:
            explanation = self.explainer.explain(
                body, record.measurement, self._running, record.failed or self.settings.explain
            )
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        # A test may raise SystemExit, and one that is measured does not fail for this round.
        except BaseException as error:
            ours = isinstance(error, CowmemError)  # its text says all
            said = (str(error) if ours else f"{type(error).__name__}: {error}").partition("\n")[0]
            note = f"why is not known, since a traced round failed: {said}"
            return replace(record, notes=(*record.notes, note))
        entry = replace(record.entry, modules=explanation.modules)
        return replace(self._noted(record), explanation=explanation, entry=entry)

    def what_if(self, body: Body, record: Record) -> Record:
        """The record with what the test costs under other policies."""
        settings, app = self.settings, self.master.app.built_in
        tried = [*policies(app, record.measurement.imports, settings.what_if_gc)]
        replays = Replays(
            self.zygotes, app, settings.timeout, body, self._running, self.progress.say
        )
        outcomes = what_if(replays, tried, settings.host)
        entry = replace(record.entry, what_if=helps(outcomes))
        return replace(self._noted(record), what_if=outcomes, entry=entry)

    def _noted(self, record: Record) -> Record:
        """The record with a note on where what is not measured was found out."""
        server = self.master.app.server
        note = (
            f"{server} was measured, and the built-in zygote was asked for the rest: growth, "
            "explanation, advice and policies are of the same app and requests there"
        )
        known = not server or note in record.notes
        return record if known else replace(record, notes=(*record.notes, note))

    def prove(self, body: Body, record: Record) -> Record:
        """The record with a proof of each kind of regression, planted after the body."""
        gate = replace(self.gate, accepted=self.gate.accepted or record.entry)

        def judge(private: int) -> Judgment:
            ruling = gate.judge(record.measurement.with_private(private))
            judgment = judgment_of(ruling.judgments, PRIVATE)
            assert judgment is not None
            return judgment

        private = record.measurement.private
        proofs = []
        for kind in KINDS:
            self.progress.say(f"proving the gate: {kind}")
            with self._running(Round(self.master, self.settings.timeout)) as current:
                body()
                proofs.append(prove(kind, current, private, judge))
        notes = record.notes
        if judge(private).verdict is Verdict.IMPROVED and self.settings.update is None:
            notes += (
                "private is below its baseline, and the gate lets it grow back: "
                "lock that in with --cowmem-update",
            )
        failed = any(proof.failed for proof in proofs)
        return replace(record, proofs=tuple(proofs), notes=notes, failed=failed)

    @contextmanager
    def _running(self, opened: AnyRound) -> Iterator[AnyRound]:
        """Have the client talk to a round, and start its headers and cookies over after it."""
        client = self.client
        headers, cookies = client.headers.copy(), httpx2.Cookies(client.cookies)
        self.running = True
        try:
            with opened as current:
                client.enter_round(current)
                yield current
        finally:
            self.running = False
            client.enter_round(None)
            client.headers, client.cookies = headers, cookies


def _is_red(record: Record) -> bool:
    return record.failed and record.verdict in TOO_HIGH
