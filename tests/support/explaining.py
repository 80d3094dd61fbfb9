"""An explanation of what a body did in a worker, without a run of pytest."""

from collections.abc import Callable
from pathlib import Path

from pytest_cowmem.explain.make import make
from pytest_cowmem.explain.rounds import TracedRound
from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.preforked import Preforked
from pytest_cowmem.model.explanation import Explanation
from pytest_cowmem.model.measurement import Sample

Body = Callable[[CowWorker], object]


def explain(
    measure: Callable[[Preforked, Body], Sample], zygote: Preforked, body: Body, root: Path
) -> Explanation:
    """Measure a round of a body and trace another.

    A round comes before, which may compile what is imported late.
    """
    measure(zygote, body)
    sample = measure(zygote, body)
    with CowWorker() as client, TracedRound(zygote, 60, sample.requests) as current:
        client.enter_round(current)
        body(client)
        trace = current.trace()
    return make(trace, sample.values, root)
