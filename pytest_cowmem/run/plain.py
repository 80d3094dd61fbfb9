"""Plain tests: a budget, and no worker. The body runs in a fork of the pytest process, once.

Setup and teardown run in the pytest process, so that fixtures of every scope are what they ever
are. Runs in the pytest process.
"""

import os
import pickle
import random
import signal
import sys
from collections.abc import Generator

import pytest

from pytest_cowmem.host.body_round import BodyRound
from pytest_cowmem.host.machine import profile_key
from pytest_cowmem.host.pytest_process import Fork, PytestProcess, held_timer
from pytest_cowmem.judge.gate import Gate
from pytest_cowmem.model.baseline import Conditions, Entry
from pytest_cowmem.model.errors import CannotMeasure, CowmemError, wrong_and_right
from pytest_cowmem.model.measurement import Measurement, Sample
from pytest_cowmem.model.metrics import OF_PLAIN_TESTS
from pytest_cowmem.model.record import Record
from pytest_cowmem.report.failure import explain_failure
from pytest_cowmem.run import carried, in_fork
from pytest_cowmem.run.carried import Carried
from pytest_cowmem.run.items import budget_of, has_budget, id_of, place_of
from pytest_cowmem.run.measured import LEFT, RECORD, SCENARIO
from pytest_cowmem.run.session import Session

CARRIED = pytest.StashKey[Carried]()

_CHILDREN = "the test's fork had children that ended in time, and what they took is in no figure"


def is_plain(item: pytest.Item) -> bool:
    """Whether a test that is set up has a budget and no worker."""
    return has_budget(item) and SCENARIO not in item.stash


def forget(item: pytest.Item) -> None:
    """Forget an earlier attempt of a test that is run again."""
    if CARRIED in item.stash:
        del item.stash[CARRIED]


def check_budget(item: pytest.Item) -> None:
    """Fail a plain test whose budget names what only a worker has."""
    if not is_plain(item):
        return
    for name, value in budget_of(item).limits.items():
        if name not in OF_PLAIN_TESTS:
            error = wrong_and_right(
                f"{name} is a worker's, and this test uses no cow_worker: its own fork has "
                f"{', '.join(OF_PLAIN_TESTS)}",
                f"mem_budget({name}={value}) without cow_worker",
                'mem_budget(private="2 MiB"), or a test that uses the cow_worker fixture',
            )
            pytest.fail(str(error), pytrace=False)


def call(session: Session, item: pytest.Item) -> Generator[None, object, object]:
    """The call phase of a test. That of a plain one runs in a fork first, and is replayed here."""
    if not is_plain(item) or in_fork.FORK in item.stash:
        return (yield)
    if reason := _why_not(item.config):
        item.stash[LEFT] = f"ran in the pytest process, {reason}"
        return (yield)
    found = item.stash[CARRIED] = run(session, item)
    vars(item)["runtest"] = carried.replay(found)
    try:
        return (yield)
    finally:
        del vars(item)["runtest"]


def _why_not(config: pytest.Config) -> str:
    """Why plain tests are run without being measured; "" where they are measured."""
    if not sys.platform.startswith("linux"):
        return f"since measuring needs Linux, and this is {sys.platform}"
    options = [name for name in ("usepdb", "trace") if config.getoption(name)]
    return "where a debugger reaches it" if options else ""


def run(session: Session, item: pytest.Item) -> Carried:
    """Run the call phase in a fork; what the fork hands back. The test fails where it ends."""
    state, problem = random.getstate(), ""
    with held_timer() as timer:

        def live(fork: Fork) -> None:
            random.setstate(state)  # Python seeds it anew in each fork
            signal.setitimer(signal.ITIMER_REAL, *timer)  # a fork has none: setitimer(2)
            item.stash[in_fork.FORK] = fork
            fork.send(pickle.dumps(in_fork.call(item)))

        try:
            master, settings = PytestProcess(live), session.settings
            draws = bool(settings.reports)
            with BodyRound(master, settings.timeout, id_of(item), draws=draws) as current:
                failure = _judged(session, item, current) if current.run_body() else ""
                result = current.result(failure)
        except CowmemError as error:
            problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
    found: Carried = pickle.loads(result)
    item.stash[LEFT] = found.left
    carried.take(item, found)
    return found


def _judged(session: Session, item: pytest.Item, current: BodyRound) -> str:
    """Why a test whose body has run is to fail; "" where it is within its budget."""
    try:
        record = _record(item, current.finish())
    except CannotMeasure as error:
        return str(error)
    item.stash[RECORD] = record
    return explain_failure(record, session.settings.invocation) if record.failed else ""


def _record(item: pytest.Item, sample: Sample) -> Record:
    """What is said of a plain test; no baseline has it, since its figures have pytest's heap."""
    measurement = Measurement.of([sample])
    conditions = Conditions(profile_key(os.environ), {}, "", "", "")
    ruling = Gate(conditions, budget_of(item), {}, compared=False).judge(measurement)
    notes = (_CHILDREN,) if measurement.children_ended else ()
    return Record(
        test=id_of(item),
        profile=conditions.profile,
        environment=conditions.environment,
        place=place_of(item.location),
        app=PytestProcess.app.label,
        size=0,
        measurement=measurement,
        judgments=ruling.judgments,
        verdict=ruling.verdict,
        failed=ruling.failed,
        notes=(*ruling.notes, *notes),
        entry=Entry.of(measurement, conditions, ()),
        plain=True,
    )


def report_of_fork(item: pytest.Item, when: str | None) -> pytest.TestReport | None:
    """The report of a call phase that ran in a fork, in the pytest process."""
    found = item.stash.get(CARRIED, None)
    if when != "call" or found is None or found.report is None:
        return None
    return carried.report_of(item.config, found.report)
