"""Where a test's private bytes went, in words for a terminal of 80 columns. Runs in the pytest process; a function of one record."""

import textwrap
from collections.abc import Iterator

from tabulate import tabulate

from pytest_cowmem.explain.explanation import Advice, Collections, Explanation, Line
from pytest_cowmem.explain.imports import by_statement
from pytest_cowmem.explain.overlay import Resident
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import Verdict

_WIDTH = 79
_MOST_LINES = 5
_MOST_NAMES = 3
_BYTES, _PLACE, _FUNCTION, _BETWEEN = 9, 28, 18, 2  # characters; the library's line gets the rest
_WORTH = (
    64 * 1024
)  # bytes from which a container, or a module's growth, is named: the default tolerance of `private`


def why(record: Record, found: Explanation) -> str:
    """Causes, kept containers, top lines, modules, late imports and advice; what the red metrics are about comes first."""
    parts = [
        causes(found),
        *kept(found),
        lines_table(found, red_metrics(record)),
        *modules(record, found),
        *late_imports(found),
    ]
    return "\n".join([*parts, *(bullet(advice) for advice in found.advice)])


def red_metrics(record: Record) -> set[str]:
    """The metrics that are too high."""
    return {
        judgment.metric
        for judgment in record.judgments
        if judgment.verdict in (Verdict.OVER, Verdict.REGRESSED)
    }


def causes(found: Explanation) -> str:
    """Private = fresh + copied, copied by what, the first request's part, and how much of it the traced round explains."""
    said = []
    if found.fresh is not None and found.copied is not None:
        said.append(f"{render(found.fresh, 'bytes')} fresh, {render(found.copied, 'bytes')} copied")
    if found.by_collections is not None and found.by_writes is not None:
        said.append(
            f"({render(found.by_collections, 'bytes')} by collections, {render(found.by_writes, 'bytes')} by reference counts and writes)"
        )
    parts = " ".join(said) or "this kernel does not tell what is fresh and what was copied"
    if found.first is not None and found.first < found.private:
        parts += f". The first request took {render(found.first, 'bytes')} of it"
    again = ", since memory that was given back counts again" if found.share > 1.1 else ""
    unseen = (
        f"; {render(found.unseen, 'bytes')} came where it did not listen"
        if found.unseen >= _WORTH
        else ""
    )
    return wrapped(
        f"where {render(found.private, 'bytes')} went: {parts}. A traced round explains {found.share:.0%} of it{again}{unseen}; "
        f"{render(found.tracer, 'bytes')} are the tracer's own."
    )


def kept(found: Explanation) -> Iterator[str]:
    """The containers that grew, and where."""
    for it in found.containers[:_MOST_NAMES]:
        if it.bytes >= _WORTH:
            at = f"{it.place} fills " if it.place else ""
            yield wrapped(
                _cut(
                    f"kept: {at}{it.name}, {it.before:,} -> {it.after:,} entries, {render(it.bytes, 'bytes')}"
                )
            )


def lines_table(found: Explanation, red: set[str]) -> str:
    """The lines and collections with their bytes, and the library's line that took most of them.

    Collections come first where they are all that is wrong, and of them those of a generation that is.
    """
    both: list[Line | Collections] = [*found.lines, *found.collections]
    ranked = sorted((it for it in both if it.bytes), key=lambda it: -it.bytes)
    if red and all(metric.startswith("gc_") for metric in red):
        ranked.sort(
            key=lambda it: (
                2 if isinstance(it, Line) else f"gc_collections_{it.generation}" not in red
            )
        )
    rows = [_row(it) for it in ranked[:_MOST_LINES]]
    room = (
        _WIDTH
        - _BYTES
        - 3 * _BETWEEN
        - sum(max((len(row[column]) for row in rows), default=0) for column in (1, 2))
    )
    rows = [[*row, _end(library, room)] for *row, library in rows]
    headers = ["private", "line", "function", "most of it under"]
    return (
        tabulate(
            rows, headers=headers, colalign=("right", "left", "left", "left"), disable_numparse=True
        )
        if rows
        else ""
    )


def _row(it: Line | Collections) -> list[str]:
    if isinstance(it, Collections):
        function, library = (
            f"{it.times} collection{'s' * (it.times > 1)}",
            f"generation {it.generation}",
        )
    else:
        function, library = it.function, it.beside[0][0].rpartition(" ")[0] if it.beside else ""
    return [
        render(it.bytes, "bytes"),
        _end(it.place, _PLACE),
        _end(function.replace("<locals>.", ""), _FUNCTION),
        library,
    ]


def modules(record: Record, found: Explanation) -> Iterator[str]:
    """Which modules it was, or by how much they grew since the baseline; what lies on the copied pages."""
    before = record.accepted.modules if record.accepted else {}
    changes = sorted(
        ((size - before.get(module, 0), module) for module, size in found.modules.items()),
        reverse=True,
    )
    grown = [
        f"{module} {render_change(size, 'bytes')}"
        for size, module in changes[:_MOST_NAMES]
        if size >= _WORTH
    ]
    if before and grown:
        yield wrapped(_cut(f"by module, since the baseline: {', '.join(grown)}"))
    else:
        largest = sorted(found.modules.items(), key=lambda it: -it[1])[:_MOST_NAMES]
        yield wrapped(
            _cut(
                "by module: "
                + ", ".join(f"{module} {render(size, 'bytes')}" for module, size in largest)
            )
        )
    if found.objects.modules:
        yield wrapped(
            _cut(
                f"on copied pages: objects of {_residents(found.objects.modules)}; types {_residents(found.objects.types)}"
            )
        )


def late_imports(found: Explanation) -> Iterator[str]:
    """What was imported after the fork, by the statements that did it."""
    late = by_statement(found.imports)
    if late:
        said = [
            f"{it.by} {render(it.bytes, 'bytes')}" + (f" ({it.place})" if it.place else "")
            for it in late[:_MOST_NAMES]
        ]
        if rest := late[_MOST_NAMES:]:
            said.append(f"{len(rest)} more {render(sum(it.bytes for it in rest), 'bytes')}")
        yield wrapped(_cut(f"late imports: {', '.join(said)}"))


def bullet(advice: Advice) -> str:
    """One piece of advice."""
    return textwrap.fill(
        _cut(f"{advice.rule}: {advice.text}"),
        _WIDTH,
        initial_indent="* ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _residents(residents: tuple[Resident, ...]) -> str:
    return ", ".join(f"{it.name} {render(it.bytes, 'bytes')}" for it in residents[:_MOST_NAMES])


def wrapped(text: str) -> str:
    """A sentence in lines of at most 79 columns, the second and later ones indented; words are kept whole."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def _cut(text: str) -> str:
    """The text without the beginnings of words that are too long for a line: paths, and dotted names."""
    return " ".join(_end(word, _WIDTH - _BETWEEN) for word in text.split(" "))


def _end(text: str, width: int) -> str:
    """A text's end, which says more of a path than its beginning."""
    return text if len(text) <= width else "..." + text[3 - width :]
