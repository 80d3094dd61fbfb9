"""A run whose every text comes from somebody who means harm: for reports of all formats."""

from dataclasses import replace

from explained import EXPLANATION, red
from records import MIB, VALUES, record

from pytest_cowmem.model.baseline import Change
from pytest_cowmem.model.commit import Commit
from pytest_cowmem.model.document import Document, Failure
from pytest_cowmem.model.invocation import Invocation


def hostile_run(text: str, tests: int = 2) -> Document:
    """A red run that says `text` wherever tests, apps, users and git are quoted."""
    said = replace(
        EXPLANATION,
        lines=tuple(replace(it, path=text, function=text, module=text) for it in EXPLANATION.lines),
        containers=tuple(
            replace(it, name=text, module=text, path=text) for it in EXPLANATION.containers
        ),
        imports=tuple(replace(it, module=text, by=text, path=text) for it in EXPLANATION.imports),
        modules={text: 5 * MIB},
        advice=tuple(replace(it, text=text, about=(text,)) for it in EXPLANATION.advice),
    )
    red_one = red(
        f"{text}.py::{text}[{text}]",
        explanation=said,
        notes=(text,),
        app=text,
        place=f"{text}:3",
        profile=text,
        options={"env A": text},
        brought=((text, 1, 1),),
    )
    others = [
        replace(red_one, test=f"{text}.py::test_{number}[{text}]") for number in range(tests - 1)
    ]
    quiet = [
        record(f"{text}.py::test_quiet_{number}", accepted=VALUES, app=text)
        for number in range(tests)
    ]
    return Document(
        records=(red_one, *others, *quiet),
        failures=(Failure(text, text, text),) * tests,
        unfit=(text,) * tests,
        head=Commit(text),
        base=Commit(text, True),
        baseline=text,
        profiles=(text,),
        broken=(text,),
        stale=(text,) * tests,
        unmeasured=(text,) * tests,
        invocation=Invocation((text,), text, text),
        changes=(Change(text, text, None, red_one.entry),) * tests,
        refused=text,
        unverified=text,
    )
