"""Where a test's private bytes went, in words for a terminal of 80 columns.

Runs in the pytest process. `report/reasons.py` selects what is shown; all here only renders it.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from pytest_cowmem.model.explanation import Advice, Collections, Explanation, Line, Resident
from pytest_cowmem.model.units import listed, render, render_change
from pytest_cowmem.report.fold import Already
from pytest_cowmem.report.reasons import Gone, Reasons
from pytest_cowmem.report.since import WORTH

_WIDTH = 79
# Characters of the table's columns, and between two of them; the library's line gets the rest.
_BYTES, _PLACE, _FUNCTION, _BETWEEN = 9, 28, 18, 2
_PADDING = 2  # tabulate's MIN_PADDING: a column is at least so much wider than its header


def why(shown: Reasons) -> str:
    """Causes, kept containers, top lines, modules, late imports and advice, a paragraph each.

    What is new comes first where the baseline tells that.
    """
    parts = [*_kept(shown), *table(shown.parts, shown.gone)]
    ordered = [causes(shown), *parts, *modules(shown)]
    if shown.already:
        ordered = [*modules(shown), *parts, *_already(shown.already), causes(shown)]
    paragraphs = [
        *ordered,
        *_on_copied_pages(shown),
        *_late_imports(shown),
        *(bullet(advice) for advice in shown.explanation.advice),
    ]
    return "\n".join(paragraphs)


def causes(shown: Reasons) -> str:
    """Private = fresh + copied, and copied by what; then what the traced round adds to that."""
    explanation = shown.explanation
    unseen = f"; {_size(shown.unseen)} came where it did not listen" if shown.unseen else ""
    return wrapped(
        f"where {_size(explanation.private)} went: {_split(explanation)}. "
        f"A traced round explains {explanation.share:.0%} of it{unseen}; "
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


def _kept(shown: Reasons) -> Iterator[str]:
    """The containers that keep most, and the lines that fill them."""
    for container in shown.containers:
        at = f"{container.place} fills " if container.place else ""
        entries = f"{container.before:,} -> {container.after:,} {container.unit}"
        if container.a_request:
            entries += f" ({container.a_request:g} a request)"
        yield _paragraph(f"kept: {at}{container.name}, {entries}, {_size(container.bytes)}")


def table(parts: Sequence[Line | Collections], gone: Gone | None) -> Iterator[str]:
    """Lines and collections with their bytes, and the library's line that took most of them.

    What came and went has the last row.
    """
    if not parts and not gone:
        return
    places = [_end(part.place, _PLACE) for part in parts]
    functions = [_end(function_of(part), _FUNCTION) for part in parts]
    if gone:
        places.append("(came and went)")
        functions.append("")
    room = _WIDTH - _BYTES - _wide("line", places) - _wide("function", functions) - 3 * _BETWEEN
    columns = {
        "private": [_size(part.bytes) for part in (*parts, *([gone] if gone else []))],
        "line": places,
        "function": functions,
        "most of it under": [
            _end(place, room) for place in (*map(under, parts), *([gone.place] if gone else []))
        ],
    }
    sides = ("right", "left", "left", "left")
    yield tabulate(columns, headers="keys", colalign=sides, disable_numparse=True)


def _wide(header: str, cells: Sequence[str]) -> int:
    """The characters of a column as tabulate draws it."""
    return max(len(header) + _PADDING, *map(len, cells))


def function_of(part: Line | Collections) -> str:
    """The line's function, or how many collections."""
    if isinstance(part, Line):
        return part.function.replace("<locals>.", "")
    return "1 collection" if part.times == 1 else f"{part.times} collections"


def under(part: Line | Collections) -> str:
    """The `path:line` of the library's line that took most, or a collection's generation."""
    if isinstance(part, Collections):
        return f"generation {part.generation}"
    if not part.beside:
        return ""
    library, _ = part.beside[0]
    return library.rpartition(" ")[0]


def modules(shown: Reasons) -> Iterator[str]:
    """What modules changed by since the baseline, or the largest."""
    if shown.since_baseline:
        grown = [f"{module} {render_change(size, 'bytes')}" for module, size in shown.modules]
        yield _paragraph(f"by module, since the baseline: {', '.join(grown)}")
    elif shown.modules:
        largest = [f"{module} {_size(size)}" for module, size in shown.modules]
        yield _paragraph(f"by module: {', '.join(largest)}")


def _already(already: Already | None) -> Iterator[str]:
    """What the baseline has already, in one sentence, where that is worth one."""
    if already is None or already.bytes < WORTH:
        return
    counts = {"line": already.lines, "container": already.containers, "import": already.imports}
    told = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count]
    parts = "" if not told else f"{listed(told)}, "
    yield wrapped(f"already in the baseline: {parts}{_size(already.bytes)}")


def _on_copied_pages(shown: Reasons) -> Iterator[str]:
    """The modules and types whose objects lie on the copied pages."""
    if shown.holders:
        holders, types = _residents(shown.holders), _residents(shown.types)
        yield _paragraph(f"on copied pages: objects of {holders}; types {types}")


def _residents(residents: Iterable[Resident]) -> str:
    return ", ".join(f"{resident.name} {_size(resident.bytes)}" for resident in residents)


def _late_imports(shown: Reasons) -> Iterator[str]:
    """What was imported after the fork, by the statements that did it."""
    said = []
    for statement in shown.imports:
        at = f" ({statement.place})" if statement.place else ""
        said.append(f"{statement.by} {_size(statement.bytes)}{at}")
    if others := shown.other_imports:
        said.append(f"{len(others)} more {_size(sum(other.bytes for other in others))}")
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
