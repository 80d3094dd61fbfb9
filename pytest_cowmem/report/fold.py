"""An explanation without what the baseline has already. Runs in the pytest process; no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_cowmem.model.cause import CONTAINER, IMPORT, Cause
from pytest_cowmem.model.explanation import Advice, Explanation, Overlay, by_statement
from pytest_cowmem.report.since import WORTH, Part, Since

AnyPart = TypeVar("AnyPart", bound=Part)
_LITTLE = 10  # a tenth of what grew most
_NOTHING = Overlay(0, (), (), (), {})


@dataclass(frozen=True)
class Already:
    """What the baseline has already: numbers of parts, and the bytes of all modules.

    Collections count as lines.
    """

    lines: int
    containers: int
    imports: int
    bytes: int


def folded(
    explanation: Explanation, since: Since, first: Cause | None
) -> tuple[Explanation, Already | None]:
    """What is new in an explanation, and what the baseline has already.

    All of it and None where the baseline does not tell. Lines that are new by little beside what
    grew most are left out. So are objects on copied pages, where `first`, the first cause, is
    something kept or imported: that did not copy them.
    """
    if not since.tells:
        return explanation, None
    copied = first is None or first.kind not in (CONTAINER, IMPORT)
    subjects = _old_subjects(explanation, since)
    new = replace(
        explanation,
        gone=0,
        lines=_new(explanation.lines, since, since.most / _LITTLE),
        collections=_new(explanation.collections, since, since.most / _LITTLE),
        imports=_new(explanation.imports, since),
        # What grows with requests comes first.
        containers=tuple(
            sorted(_new(explanation.containers, since), key=lambda it: not it.a_request)
        ),
        objects=explanation.objects if copied else _NOTHING,
        advice=tuple(said for said in explanation.advice if not _is_old(said, subjects)),
    )
    return new, _already(explanation, since)


def _new(parts: Iterable[AnyPart], since: Since, least: float = 1) -> tuple[AnyPart, ...]:
    """The parts that are new by `least` bytes or more, most first."""
    new = [part for part in parts if since.new(part) >= least]
    return tuple(sorted(new, key=since.new, reverse=True))


def _old(parts: Iterable[AnyPart], since: Since) -> list[AnyPart]:
    return [part for part in parts if part.bytes and not since.new(part)]


def _old_subjects(explanation: Explanation, since: Since) -> set[str]:
    """What advice may be about, of what the baseline has already."""
    names = {line.place for line in _old(explanation.lines, since)}
    names |= {container.name for container in _old(explanation.containers, since)}
    return names | {late.by for late in _old(by_statement(explanation.imports), since)}


def _is_old(advice: Advice, subjects: set[str]) -> bool:
    """Whether advice is about nothing but what the baseline has already."""
    return bool(advice.about) and subjects.issuperset(advice.about)


def _already(explanation: Explanation, since: Since) -> Already:
    lines: list[Part] = [*_old(explanation.lines, since), *_old(explanation.collections, since)]
    containers = [part for part in _old(explanation.containers, since) if part.bytes >= WORTH]
    imports = _old(by_statement(explanation.imports), since)
    return Already(len(lines), len(containers), len(imports), since.old)
