"""What becomes of proposals once they were tried: advice. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping, Sequence

from pytest_cowmem.explain.case import Proposal
from pytest_cowmem.model.explanation import Advice
from pytest_cowmem.model.metrics import OF_PRIVATE
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.units import render

_MOST_TRIES = 3
# A gain is a figure of one layout. In others, and for who follows it in his own way, it was up to
# 0.26 MiB different (six apps' tests of 3 to 23 MiB), so that a smaller one is not told exactly.
_EXACT_SHARE, _EXACT_BYTES = 10, 512 * 1024
# What a container keeps is known without the memory of C code. A gain of more than twice that is of
# what else was warmed up, and one of less than half is none of the container's.
_APART = 2


def to_try(proposals: Iterable[Proposal]) -> list[Policy]:
    """The policies to try, each in a round of its own, and what they are to be compared with."""
    policies: dict[Policy, Policy | None] = {}
    for one in proposals:
        if one.policy is not None:
            policies.setdefault(one.policy, one.beyond)
    chosen = list(policies)[:_MOST_TRIES]
    beyond = [policies[policy] for policy in chosen]
    return list(dict.fromkeys([*chosen, *filter(None, beyond)]))


def settled(
    proposals: Sequence[Proposal], private: int, gains: Mapping[Policy, int]
) -> tuple[Advice, ...]:
    """The advice that is left.

    `private` is what was measured, and `gains` what each policy that was tried won back of it.
    """
    said: dict[Proposal, int | None] = {}
    for proposal in proposals:
        net = _net(proposal, said, gains)
        if _is_said(proposal, net, _worth(private)):
            said[proposal] = net
    wrong = {proposal.instead for proposal in said}
    left = {proposal: net for proposal, net in said.items() if proposal.rule not in wrong}
    if left:
        return tuple(
            _advice(proposal, private, None if _is_of_others(proposal, net) else gains)
            for proposal, net in left.items()
        )
    return tuple(_brought_little(one, private, gains) for one in proposals if one.sure)[:1]


def _worth(private: int) -> int:
    """Bytes from which a gain is worth a word: twice what is tolerated."""
    return 2 * OF_PRIVATE.allows(private)


def _gain(proposal: Proposal, gains: Mapping[Policy, int]) -> int | None:
    """The bytes that a proposal won back; None where it was not tried."""
    if proposal.policy is None or proposal.policy not in gains:
        return None
    return gains[proposal.policy]


def _net(proposal: Proposal, said: Iterable[Proposal], gains: Mapping[Policy, int]) -> int | None:
    """What a proposal won back besides what others do that are said.

    To serve requests before the fork does also what they import.
    """
    gain = _gain(proposal, gains)
    if gain is None or proposal.policy is None or not proposal.policy.requests:
        return gain
    others = [_gain(one, gains) or 0 for one in said if one.policy and not one.policy.freeze]
    if proposal.beyond is not None:
        others.append(gains.get(proposal.beyond, 0))
    return gain - max(others, default=0)


def _is_of_others(proposal: Proposal, net: int | None) -> bool:
    """Whether what was won back is far from the bytes that the proposal is about."""
    if net is None or not proposal.keeps:
        return False
    return not proposal.keeps <= net * _APART <= proposal.keeps * _APART**2


def _is_said(proposal: Proposal, net: int | None, worth: int) -> bool:
    if net is None or proposal.beyond is not None:
        return proposal.sure
    return net >= max(worth, proposal.least)


def _advice(proposal: Proposal, private: int, gains: Mapping[Policy, int] | None) -> Advice:
    gain = _gain(proposal, gains or {})
    if gain is None:
        return Advice(proposal.rule, proposal.text, None, proposal.subjects)
    exact = max(private // _EXACT_SHARE, _EXACT_BYTES)
    falls = f"by less than {render(exact, 'bytes')}"
    if gain >= exact:
        falls = f"from {render(private, 'bytes')} to {render(private - gain, 'bytes')}"
    text = f"{proposal.text}; {proposal.trying}: private falls {falls}"
    return Advice(proposal.rule, text, gain, proposal.subjects)


def _brought_little(proposal: Proposal, private: int, gains: Mapping[Policy, int]) -> Advice:
    """The only advice that there is, though it is of little use."""
    gain = _gain(proposal, gains)
    little = proposal.little or f"{proposal.text}; {proposal.trying}: that"
    text = f"{little} brings less than {render(_worth(private), 'bytes')}"
    return Advice(proposal.rule, text, gain, proposal.subjects)
