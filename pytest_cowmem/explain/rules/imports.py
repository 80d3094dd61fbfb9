"""Modules are imported in every worker. Runs in the pytest process; no I/O."""

from collections.abc import Iterator

from pytest_cowmem.explain.case import MOST_NAMES, WORTH, Case, Proposal
from pytest_cowmem.model.explanation import LateImport, by_statement
from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.units import listed


def preload(case: Case) -> Iterator[Proposal]:
    """Statements import what is worth a mention: import it earlier, all at once."""
    if statements := _large(case):
        names = list(dict.fromkeys(statement.by for statement in statements))
        places = list(dict.fromkeys(one.place for one in statements))
        where = f" at {listed(places)}" if all(places) else ""
        yield Proposal(
            "preload",
            f"import {listed(names)} before forking: every worker does so{where}",
            case.why.homes(statements[0])[0],
            Policy(imports=tuple(names)),
            subjects=tuple(names),
        )


def _large(case: Case) -> list[LateImport]:
    """The import statements that are worth a mention each, of new ones where there are any."""
    large = [one for one in by_statement(case.why.imports) if one.bytes >= WORTH]
    new = [one for one in large if not _is_old(case, one)]
    return (new or large)[:MOST_NAMES]


def _is_old(case: Case, statement: LateImport) -> bool:
    """Whether nothing that its bytes may count for has grown since the baseline."""
    return all(case.is_old(home) for home in case.why.homes(statement))


def compile_first(case: Case) -> Iterator[Proposal]:
    """Late modules are compiled in every worker, since their byte code could not be kept."""
    late = [one for one in case.why.imports if one.module in case.uncompiled]
    if sum(one.bytes for one in late) >= WORTH:
        names = [one.module for one in late]
        others = len(names) - MOST_NAMES
        if others > 0:
            names = [*names[:MOST_NAMES], f"{others} more"]
        verb = "is" if len(names) == 1 else "are"
        yield Proposal(
            "compile",
            f"{listed(names)} {verb} compiled in every worker that imports it, since no byte code "
            "is kept: compile before (python -m compileall), or import before forking",
            late[0].module,
        )
