"""Where a test's private bytes went, in words for a terminal of 80 columns. Runs in the pytest process; a function of one record."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from tabulate import tabulate

from pytest_cowmem.explain.explanation import NOWHERE, Advice, Explanation, Line
from pytest_cowmem.explain.overlay import Resident
from pytest_cowmem.units import render, render_change

_WIDTH = 79
_MOST_LINES = 5
_MOST_NAMES = 3
_PLACE, _FUNCTION, _LIBRARY = 28, 16, 20  # with the bytes and two blanks between columns, _WIDTH
_GREW = 64 * 1024  # bytes by which a module has grown for it to be named: the default tolerance of `private`


def why(found: Explanation, baseline: Mapping[str, int]) -> str:
    """The causes, the top lines, the top modules and the advice; `baseline` is bytes by module, as it was accepted."""
    parts = [causes(found), lines_table(found.lines[:_MOST_LINES]), "\n".join(sentences(found, baseline))]
    parts += [bullet(advice) for advice in found.advice]
    return "\n".join(part for part in parts if part)


def causes(found: Explanation) -> str:
    """Private = fresh + copied, copied by what, and how much of it the traced round explains."""
    said = [f"where {render(found.private, 'bytes')} went:"]
    if found.fresh is not None and found.copied is not None:
        said.append(f"{render(found.fresh, 'bytes')} fresh, {render(found.copied, 'bytes')} copied")
    if found.by_collections is not None and found.by_writes is not None:
        said.append(
            f"({render(found.by_collections, 'bytes')} by collections, {render(found.by_writes, 'bytes')} by reference counts and writes)"
        )
    said.append(f"- a traced round explains {found.share:.0%}, and {render(found.tracer, 'bytes')} is the tracer's own")
    return textwrap.fill(" ".join(said), _WIDTH)


def lines_table(lines: Iterable[Line]) -> str:
    """The lines with their bytes, and the library's line that took most of them."""
    rows = []
    for line in lines:
        library = line.beside[0][0] if line.beside else ""
        rows.append([render(line.bytes, "bytes"), _end(line.place, _PLACE), _end(line.function, _FUNCTION), _end(library, _LIBRARY)])
    headers = ["private", "line", "function", "under it, mostly"]
    return tabulate(rows, headers=headers, colalign=("right", "left", "left", "left"), disable_numparse=True) if rows else ""


def sentences(found: Explanation, baseline: Mapping[str, int]) -> Iterator[str]:
    """Which collections, modules and objects, a sentence each."""
    for it in found.collections[:1]:
        if it.bytes >= _GREW:
            yield _wrapped(f"collections: generation {it.generation} at {it.path}:{it.line}, {it.times} times, {render(it.bytes, 'bytes')}")
    grown = sorted(
        ((size - baseline.get(module, 0), module) for module, size in found.modules.items() if baseline and module != NOWHERE), reverse=True
    )
    if named := [f"{module} {render_change(size, 'bytes')}" for size, module in grown[:_MOST_NAMES] if size >= _GREW]:
        yield _wrapped(f"modules that grew since the baseline: {', '.join(named)}")
    else:
        modules = sorted(found.modules.items(), key=lambda it: -it[1])[:_MOST_NAMES]
        yield _wrapped("by module: " + ", ".join(f"{module} {render(size, 'bytes')}" for module, size in modules))
    if found.objects.modules:
        yield _wrapped(f"on copied pages, held by: {_residents(found.objects.modules)}; types: {_residents(found.objects.types)}")


def bullet(advice: Advice) -> str:
    """One piece of advice."""
    return textwrap.fill(f"{advice.rule}: {advice.text}", _WIDTH, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False)


def _residents(residents: tuple[Resident, ...]) -> str:
    return ", ".join(f"{it.name} {render(it.bytes, 'bytes')}" for it in residents[:_MOST_NAMES])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _end(text: str, width: int) -> str:
    """A text's end, which says more of a path than its beginning."""
    return text if len(text) <= width else "..." + text[3 - width :]
