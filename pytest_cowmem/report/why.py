"""Where a test's private bytes went, in words for a terminal of 80 columns.

Runs in the pytest process; functions of a record and its explanation. `ranked`, `largest_modules`
and `red_metrics` choose what is shown, and all others only render.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tabulate import tabulate

from pytest_cowmem.model.explanation import (
    Advice,
    Collections,
    Explanation,
    LateImport,
    Line,
    Overlay,
    Resident,
    by_statement,
)
from pytest_cowmem.model.metrics import OF_PRIVATE
from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render, render_change
from pytest_cowmem.model.verdict import Verdict

_WIDTH = 79
_MOST_LINES = 5
_MOST_NAMES = 3
# Characters of the table's columns, and between two of them; the library's line gets the rest.
_BYTES, _PLACE, _FUNCTION, _BETWEEN = 9, 28, 18, 2
_PADDING = 2  # tabulate's MIN_PADDING: a column is at least so much wider than its header
_WORTH = OF_PRIVATE.absolute  # bytes from which a container or a module's growth is named


def why(record: Record, explanation: Explanation) -> str:
    """Causes, kept containers, top lines, modules, late imports and advice, a paragraph each.

    What the red metrics are about comes first among the lines.
    """
    baseline = record.accepted.modules if record.accepted else {}
    paragraphs = [
        causes(explanation),
        *kept(explanation),
        *table(ranked(explanation, red_metrics(record))),
        *modules(explanation.modules, baseline),
        *on_copied_pages(explanation.objects),
        *late_imports(explanation.imports),
        *(bullet(advice) for advice in explanation.advice),
    ]
    return "\n".join(paragraphs)


def red_metrics(record: Record) -> set[str]:
    """The metrics that are too high."""
    too_high = (Verdict.OVER, Verdict.REGRESSED)
    return {judgment.metric for judgment in record.judgments if judgment.verdict in too_high}


def ranked(explanation: Explanation, red: set[str]) -> list[Line | Collections]:
    """The lines and collections that made bytes private, most first.

    Collections come before lines where all red metrics are of collections, and those of a red
    generation come first.
    """
    both: list[Line | Collections] = [*explanation.lines, *explanation.collections]
    parts = sorted((part for part in both if part.bytes), key=lambda part: -part.bytes)
    if red and all(metric.startswith("gc_") for metric in red):
        parts.sort(key=lambda part: _distance(part, red))
    return parts


def _distance(part: Line | Collections, red: set[str]) -> int:
    """How far a line or collection is from red metrics that are all of collections."""
    if isinstance(part, Line):
        return 2
    return 0 if f"gc_collections_{part.generation}" in red else 1


def largest_modules(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """The modules with most bytes, and their bytes."""
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMES]


def causes(explanation: Explanation) -> str:
    """Private = fresh + copied, and copied by what; then what the traced round adds to that."""
    again = unseen = ""
    if explanation.counts_twice:
        again = ", since memory that was given back counts again"
    if explanation.unseen >= _WORTH:
        unseen = f"; {_size(explanation.unseen)} came where it did not listen"
    return wrapped(
        f"where {_size(explanation.private)} went: {_split(explanation)}. "
        f"A traced round explains {explanation.share:.0%} of it{again}{unseen}; "
        f"{_size(explanation.tracer)} are the tracer's own."
    )


def _split(explanation: Explanation) -> str:
    fresh, copied, first = explanation.fresh, explanation.copied, explanation.first
    collected, written = explanation.by_collections, explanation.by_writes
    text = "this kernel does not tell what is fresh and what was copied"
    if fresh is not None and copied is not None:
        text = f"{_size(fresh)} fresh, {_size(copied)} copied"
    if collected is not None and written is not None:
        by = f"{_size(collected)} by collections, {_size(written)} by reference counts and writes"
        text += f" ({by})"
    if first is not None and first < explanation.private:
        text += f". The first request took {_size(first)} of it"
    return text


def kept(explanation: Explanation) -> Iterator[str]:
    """The containers that keep most, and the lines that fill them."""
    for container in explanation.containers[:_MOST_NAMES]:
        if container.bytes >= _WORTH:
            at = f"{container.place} fills " if container.place else ""
            entries = f"{container.before:,} -> {container.after:,} entries"
            yield _paragraph(f"kept: {at}{container.name}, {entries}, {_size(container.bytes)}")


def table(parts: Sequence[Line | Collections]) -> Iterator[str]:
    """Lines and collections with their bytes, and the library's line that took most of them."""
    top = parts[:_MOST_LINES]
    if not top:
        return
    places = [_end(part.place, _PLACE) for part in top]
    functions = [_end(_function(part), _FUNCTION) for part in top]
    room = _WIDTH - _BYTES - _wide("line", places) - _wide("function", functions) - 3 * _BETWEEN
    columns = {
        "private": [_size(part.bytes) for part in top],
        "line": places,
        "function": functions,
        "most of it under": [_end(_under(part), room) for part in top],
    }
    sides = ("right", "left", "left", "left")
    yield tabulate(columns, headers="keys", colalign=sides, disable_numparse=True)


def _wide(header: str, cells: Sequence[str]) -> int:
    """The characters of a column as tabulate draws it."""
    return max(len(header) + _PADDING, *map(len, cells))


def _function(part: Line | Collections) -> str:
    if isinstance(part, Line):
        return part.function.replace("<locals>.", "")
    return "1 collection" if part.times == 1 else f"{part.times} collections"


def _under(part: Line | Collections) -> str:
    """The `path:line` of the library's line that took most, or a collection's generation."""
    if isinstance(part, Collections):
        return f"generation {part.generation}"
    if not part.beside:
        return ""
    library, _ = part.beside[0]
    return library.rpartition(" ")[0]


def modules(sizes: Mapping[str, int], baseline: Mapping[str, int]) -> Iterator[str]:
    """The modules that grew since the baseline, or that are largest where none grew."""
    changes = {module: size - baseline.get(module, 0) for module, size in sizes.items()}
    grown = [
        f"{module} {render_change(change, 'bytes')}"
        for module, change in largest_modules(changes)
        if change >= _WORTH
    ]
    largest = [f"{module} {_size(size)}" for module, size in largest_modules(sizes)]
    if baseline and grown:
        yield _paragraph(f"by module, since the baseline: {', '.join(grown)}")
    elif largest:
        yield _paragraph(f"by module: {', '.join(largest)}")


def on_copied_pages(objects: Overlay) -> Iterator[str]:
    """The modules and types whose objects lie on the copied pages."""
    if objects.modules:
        holders, types = _residents(objects.modules), _residents(objects.types)
        yield _paragraph(f"on copied pages: objects of {holders}; types {types}")


def _residents(residents: Iterable[Resident]) -> str:
    largest = [*residents][:_MOST_NAMES]
    return ", ".join(f"{resident.name} {_size(resident.bytes)}" for resident in largest)


def late_imports(imports: Iterable[LateImport]) -> Iterator[str]:
    """What was imported after the fork, by the statements that did it."""
    statements = by_statement(imports)
    said = []
    for statement in statements[:_MOST_NAMES]:
        at = f" ({statement.place})" if statement.place else ""
        said.append(f"{statement.by} {_size(statement.bytes)}{at}")
    if rest := statements[_MOST_NAMES:]:
        said.append(f"{len(rest)} more {_size(sum(statement.bytes for statement in rest))}")
    if said:
        yield _paragraph(f"late imports: {', '.join(said)}")


def bullet(advice: Advice) -> str:
    """One piece of advice."""
    return textwrap.fill(
        _cut(f"{advice.rule}: {advice.text}"),
        _WIDTH,
        initial_indent="* ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _size(amount: int) -> str:
    return render(amount, "bytes")


def _paragraph(text: str) -> str:
    """A sentence wrapped, in which paths and dotted names that are too long are cut."""
    return wrapped(_cut(text))


def wrapped(text: str) -> str:
    """A sentence in lines of at most 79 columns, indented from the second on, words kept whole."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def _cut(text: str) -> str:
    """The text without the beginnings of words that are too long for a line."""
    return " ".join(_end(word, _WIDTH - _BETWEEN) for word in text.split(" "))


def _end(text: str, width: int) -> str:
    """A text's end of at most `width` characters, which says more of a path than its beginning."""
    return text if len(text) <= width else "..." + text[3 - width :]
