"""Compare what a test costs under policies, over layouts. Pure. Runs in the pytest process."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_cowmem.judge.layouts import noise
from pytest_cowmem.model import capacity
from pytest_cowmem.model.measurement import Sample
from pytest_cowmem.model.metrics import AGED, METRICS, PRIVATE, USS, Metric
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.what_if import Advised, Helps, Outcome

Samples = Sequence[Sample]  # one of each layout


def outcome(name: str, policy: Policy, samples: Samples, configured: Samples, host: int) -> Outcome:
    """What a test costs under a policy, beside what it costs as it is configured."""
    amounts, changes = {}, {}
    for metric in METRICS.values():
        mine, before = _amounts(metric, samples), _amounts(metric, configured)
        if mine is None:
            continue
        amounts[metric.name] = _summary(metric, mine)
        if before is not None and _differ(metric, mine, before):
            changes[metric.name] = amounts[metric.name] - _summary(metric, before)
    lasting = [max(sample.values[USS], sample.values[AGED]) for sample in samples]
    return Outcome(
        name,
        policy,
        amounts,
        changes,
        workers=capacity.served(host, amounts, amounts[USS]),
        lasting=capacity.served(host, amounts, round(statistics.fmean(lasting))),
        lasting_bytes=tuple(lasting),
    )


def _amounts(metric: Metric, samples: Samples) -> list[int] | None:
    """A metric's amounts by layout; None where one lacks it."""
    amounts = [sample.values[metric.name] for sample in samples if metric.name in sample.values]
    return amounts if len(amounts) == len(samples) else None


def _summary(metric: Metric, amounts: Sequence[int]) -> int:
    """The mean over layouts; of times the least, since noise only adds to them."""
    return min(amounts) if metric.least else round(statistics.fmean(amounts))


def _differ(metric: Metric, mine: Sequence[int], before: Sequence[int]) -> bool:
    """Whether two figures differ by more than layouts make of them.

    Times differ where each of one is above each of the other: with five and five that is chance in
    1 of 126.
    """
    if metric.unit != "bytes":
        return min(mine) > max(before) or max(mine) < min(before)
    return _exceeds_noise(mine, before)


def _exceeds_noise(mine: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two figures in bytes differ by more than layouts make of them."""
    change = statistics.fmean(mine) - statistics.fmean(others)
    return abs(change) > noise(*((statistics.stdev(one), len(one)) for one in (mine, others)))


def best_two(outcomes: Sequence[Outcome]) -> Iterator[Policy]:
    """The best policy together with the next one that goes with it, unless that was measured.

    Best is what leaves room for most workers in the long run. What does no better than a policy
    that it includes is left out: what it does more is for nothing.
    """
    helping = [one for one in outcomes if _helps(one)]
    ranked = sorted(helping, key=lambda one: -one.lasting)
    useful = [one for one in ranked if not any(_idles(one, other) for other in helping)]
    known = {one.policy for one in outcomes}
    for one in useful[1:]:
        policy = together(useful[0].policy, one.policy)
        if policy is not None and policy != useful[0].policy:
            if policy not in known:
                yield policy
            return


def _helps(outcome: Outcome) -> bool:
    """Whether a policy leaves a worker less for itself in the long run, by more than noise.

    What never collects has no long run: cycles that a short test leaves would pile up.
    """
    return outcome.changes.get(AGED, 0) < 0 and outcome.policy.gc != "off"


def _idles(one: Outcome, other: Outcome) -> bool:
    """Whether a policy includes another that does as well, or better."""
    if one is other or not one.policy.includes(other.policy):
        return False
    as_well = not _exceeds_noise(one.lasting_bytes, other.lasting_bytes)
    return as_well or one.lasting <= other.lasting


def together(one: Policy, other: Policy) -> Policy | None:
    """Both at once; None where they contradict each other."""
    policy = Policy(
        imports=tuple(dict.fromkeys((*one.imports, *other.imports))),
        requests=max(one.requests, other.requests),
        freeze=one.freeze or other.freeze,
        gc=one.gc or other.gc,
        environ=one.environ or other.environ,
    )
    if not {one.gc, other.gc} <= {"", policy.gc}:
        return None
    if not {one.environ, other.environ} <= {(), policy.environ}:
        return None
    # What serves, imports.
    return replace(policy, imports=()) if policy.requests else policy


def recommended(tests: Sequence[Sequence[Outcome]]) -> Outcome | None:
    """The policy to follow: the one with most workers in the test with fewest.

    `tests` has the outcomes of each test of an app, the configured one first. Where several do as
    well it is the plainest. None where no policy has more workers, by more than noise.
    """
    before = min((outcomes[0].lasting for outcomes in tests), default=0)
    found = map(_worst, _by_name(tests))
    worst = [one for one in found if _helps(one) and one.lasting > before]
    if not worst:
        return None
    best = max(worst, key=lambda one: one.lasting)
    as_good = [one for one in worst if not _exceeds_noise(one.lasting_bytes, best.lasting_bytes)]
    return min(as_good, key=lambda one: len(one.policy.parts))


def _by_name(tests: Sequence[Sequence[Outcome]]) -> Iterator[list[Outcome]]:
    """What all tests cost under each policy that worked in all of them."""
    for policy in dict.fromkeys(one.policy for outcomes in tests for one in outcomes[1:]):
        found = [_of(policy, outcomes) for outcomes in tests]
        if not any(one.failed for one in found):
            yield found


def _of(policy: Policy, outcomes: Sequence[Outcome]) -> Outcome:
    """What a test costs under a policy.

    One that has nothing to import or to serve early costs what it does without that.
    """
    for name in (policy.name, replace(policy, imports=(), requests=0).name):
        for one in outcomes:
            if one.policy.name == name:
                return one
    return outcomes[0]


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return min(outcomes, key=lambda one: one.lasting)


def advised(app: str, target: str, gc: str, tests: Sequence[Sequence[Outcome]]) -> Advised:
    """What an app is to do: what it does already, and the policy that helps most.

    `gc` is its own policy for the collector. The lines are for all that its tests import and
    request.
    """
    before = min(outcomes[0].lasting for outcomes in tests)
    best = recommended(tests)
    if best is None:
        return Advised(app, target, before)
    alike = [one for outcomes in tests for one in outcomes if one.name == best.name]
    imports = dict.fromkeys(name for one in alike for name in one.policy.imports)
    requests = dict.fromkeys(request for one in alike for request in one.requests)
    policy = replace(
        best.policy,
        imports=tuple(imports),
        freeze=best.policy.freeze or gc == "freeze",
        gc=best.policy.gc or ("" if gc in ("default", "freeze") else gc),
    )
    return Advised(app, target, before, replace(best, policy=policy, requests=tuple(requests)))


def helps(outcomes: Sequence[Outcome]) -> Helps | None:
    """What helps one test most; None where nothing does."""
    best = recommended([outcomes])
    if best is None:
        return None
    return Helps(best.name, best.changes.get(PRIVATE, 0), best.changes[AGED])
