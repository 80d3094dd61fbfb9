"""What a measured test gets, and what becomes of it. Runs in the pytest process."""

import os
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from pytest_cowmem.explain.asked import Explainer
from pytest_cowmem.explain.case import Accepted
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.machine import describe, profile_key
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.judge.gate import Gate, gated
from pytest_cowmem.model.baseline import Conditions, Profile
from pytest_cowmem.model.errors import CowmemError
from pytest_cowmem.model.metrics import CHILDREN
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render
from pytest_cowmem.report.failure import explain_failure
from pytest_cowmem.run.items import (
    app_of,
    budget_of,
    id_of,
    place_of,
    refuse_test_case,
    source_hash,
)
from pytest_cowmem.run.own_functions import with_own_functions
from pytest_cowmem.run.scenario import Scenario
from pytest_cowmem.run.session import Session

if TYPE_CHECKING:  # it asks what was collected, which asks whether a test is measured
    from pytest_cowmem.run.renames import Renames

SCENARIO = pytest.StashKey[Scenario]()
RECORD = pytest.StashKey[Record]()
LEFT = pytest.StashKey[str]()  # how the body left a round without being measured
BODY = pytest.StashKey[bool]()  # whether the test's body was called
FUNCTION = pytest.StashKey[Callable[..., object]]()  # the test's, before other plugins wrap it

# The packages that a client is made of, and pytest-timeout, which raises wherever the test is.
_NOT_THE_PROJECTS = ("httpx2", "pytest_cowmem", "pytest_timeout", "_pytest")
_GOING = "; what they do after 1 s is in the figures by chance"
_CHILDREN = (
    "the worker had children that ended in time, and what they took is in no figure: "
    "App(..., tree=True) counts it"
)
_UNTOLD = (
    "this machine does not tell when a process forks or ends (seccomp notifications), so what "
    "children took that ended within a request is in no figure"
)


def forget(session: Session, item: pytest.Item) -> None:
    """Forget an earlier attempt of a test that is run again."""
    session.causes.forget(id_of(item))
    if SCENARIO in item.stash:
        del item.stash[SCENARIO]
    if RECORD in item.stash:
        del item.stash[RECORD]
    item.stash[LEFT] = ""
    item.stash[BODY] = False


def zygote_for(session: Session, item: pytest.Item, base: object) -> Zygote:
    """The running zygote of a test's app; `base` is what its cow_app fixture returned.

    The test fails where the app is invalid or cannot be preloaded.
    """
    problem = None
    try:
        refuse_test_case(item)
        app = with_own_functions(app_of(item, base), item)
        try:
            return session.zygotes.get(app)
        except pytest.fail.Exception as error:  # pytest-timeout's
            problem = f"{error}, while the app {app.target!r} was preloaded"
    except CowmemError as error:
        problem = str(error)
    # Out of the except block and without frames: they would be this plugin's, and the text twice.
    pytest.fail(problem, pytrace=False)


@contextmanager
def client_for(
    session: Session, renames: "Renames", item: pytest.Item, master: Preforked
) -> Iterator[CowWorker]:
    """A test's client. The test's body is run in rounds, so that it may not have begun."""
    if item.stash.get(BODY, False):
        pytest.fail(
            "cow_worker has to be there before the test's body begins: "
            "take it as an argument, or ask for it in a fixture",
            pytrace=False,
        )
    settings = session.settings
    gate = gate_for(session, renames, item, master)
    accepted = Accepted(gate.accepted.modules if gate.accepted else {})
    explainer = Explainer(
        master,
        settings.timeout,
        settings.rootdir,
        lambda: session.zygotes.get(master.app.built_in) if master.app.server else master,
        lambda: session.zygotes.raw(master.app.built_in),
        accepted,
        draws=bool(settings.reports),
    )
    recorded = session.baseline.profiles.get(gate.conditions.profile, Profile())
    module = getattr(getattr(item, "module", None), "__name__", "")
    with CowWorker(explainer.asked, module) as client:
        scenario = Scenario(
            id_of(item),
            place_of(item.location),
            client,
            master,
            lambda: session.zygotes.others(master.app),
            lambda: session.reference.moved(recorded.reference),
            gate,
            settings,
            explainer,
            session.causes,
            session.zygotes,
            session.progress,
        )
        item.stash[SCENARIO] = scenario
        yield client


def gate_for(session: Session, renames: "Renames", item: pytest.Item, master: Preforked) -> Gate:
    """What a test is held to."""
    settings, budget = session.settings, budget_of(item)
    profile = profile_key(os.environ | dict(master.app.env))
    recorded = session.baseline.profiles.get(profile)
    known_environment = recorded is not None or not session.baseline.profiles
    recorded = recorded or Profile()
    test, source = id_of(item), source_hash(item, master.app)
    former = None
    if recorded.tests and test not in recorded.tests:
        former = renames.former_id(profile, test, source)
    return Gate(
        conditions=Conditions(
            profile, describe(master.facts), source, gc_state(master), master.facts.layout
        ),
        budget=budget,
        tolerances=gated(settings.tolerances, budget, tree=master.app.tree),
        accepted=recorded.tests.get(former or test),
        former=former,
        recorded=recorded.environment,
        compatible=known_environment,
        strict=settings.strict,
        ci=settings.ci,
        ratchet=settings.ratchet,
        update=settings.update,
    )


def gc_state(master: Preforked) -> str:
    """The app's GC policy as it took effect: "freeze: on, 700 10 10"."""
    facts = master.facts
    state = "on" if facts.gc_enabled else "off"
    thresholds = " ".join(map(str, facts.gc_thresholds))
    return f"{master.app.gc}: {state}, {thresholds}"


def call(item: pytest.Function) -> None:
    """Call a test's function as pytest does, anew: other plugins wrap it once a round."""
    item.obj = item.stash[FUNCTION]
    item.ihook.pytest_pyfunc_call(pyfuncitem=item)


def run(item: pytest.Function, scenario: Scenario, body: Callable[[], object]) -> None:
    """Measure a test's body, and fail the test where budget or baseline say so.

    A body that skips itself, or calls pytest.xfail, is not measured: it fails where strict.
    """
    problem = None
    rounds = 0
    inside = False

    def counted() -> object:
        nonlocal rounds, inside
        rounds, inside = rounds + 1, True
        result = body()
        inside = False
        return result

    try:
        record = scenario.measure(counted)
        if scenario.settings.prove and not record.failed:
            record = scenario.prove(counted, record)
    except (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest) as error:
        item.stash[LEFT] = f"{left_by(error)} in round {rounds}"
        if not scenario.settings.strict:
            raise
        problem = not_allowed(item.stash[LEFT], error)
    except CowmemError as error:
        if end_at_the_test(error.__traceback__, item):
            raise
        problem = str(error)
    except pytest.fail.Exception as error:
        if inside:
            end_at_the_test(error.__traceback__, item)
            raise
        problem = (
            f"{error}, outside the test's body, of which {rounds} rounds were over: "
            "leave time for all rounds, and for the measuring between them"
        )
    if problem is not None:
        pytest.fail(problem, pytrace=False)
    record = _with_all_told(scenario, body, record)
    item.stash[RECORD] = record
    if record.failed:
        pytest.fail(explain_failure(record, scenario.settings.invocation), pytrace=False)


def left_by(error: BaseException) -> str:
    """How a body that raised this has left."""
    return "expected to fail" if isinstance(error, pytest.xfail.Exception) else "skipped itself"


def not_allowed(left: str, error: BaseException) -> str:
    """Why a test that left so fails where strict."""
    return (
        f"the test {left} ({error}), so it was not measured, which --cowmem-strict "
        "does not allow: skip it by a mark or in a fixture, or let every round run through"
    )


def _with_all_told(scenario: Scenario, body: Callable[[], object], record: Record) -> Record:
    """The record with what else is to be said of the test: notes, what-if, an explanation."""
    if record.measurement.children_ended:
        note = _UNTOLD if scenario.master.app.tree else _CHILDREN
        if scenario.master.app.server:  # it has no tree
            note = note.partition(":")[0]
        record = replace(record, notes=(*record.notes, note))
    if going := record.measurement.going:
        note = f"tasks that requests had started went on for long: {', '.join(going)}{_GOING}"
        record = replace(record, notes=(*record.notes, note))
    if scenario.settings.what_if:
        record = scenario.what_if(body, record)
    if scenario.calls_for_explanation(record):
        record = scenario.explain(body, record)
    children = record.measurement.values.get(CHILDREN)
    if record.explanation and children:
        note = f"why is told of the worker alone: {render(children, 'bytes')} are its children's"
        record = replace(record, notes=(*record.notes, note))
    return record


def end_at_the_test(trace: TracebackType | None, item: pytest.Item) -> bool:
    """Cut a traceback below the project's own last frame: False where it never reached the test."""
    last = None
    in_test = False
    while trace is not None:
        frame = trace.tb_frame
        in_test = in_test or frame.f_code.co_filename == str(item.path)
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if in_test and package not in _NOT_THE_PROJECTS:
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None
    return in_test
