"""What of an output is the same on every machine: words, columns and verdicts, not amounts.

Runs in the process of docs/outputs.py.
"""

import re
from difflib import ndiff

# What the machine, the Python or a library's version decides. Each pattern is as narrow as its
# place in the output allows, so that a changed word or column never looks like a changed amount.
_MEASURED = (
    (r"^(profile) \S+$", r"\1 <profile>"),
    (r"^ASLR \w+, THP \w+, ", "ASLR <mode>, THP <mode>, "),
    # A name is cut where its column ends, and the width of a column follows the amounts.
    (r"(?:\.\.\.)?\w*::", "::"),
    (r" - Failed: .*", " - Failed: <cut>"),
    # Lists of the largest: which come after the first is a measurement, and so is their order.
    (r"(on copied pages: objects of) .*; types .*", r"\1 <names>; types <names>"),
    (r"(by module[^:]*: \S+ \S+ \w+).*", r"\1 <more>"),
    (r"\bof type [\w.]+", "of type <name>"),
    (r"^(baseline: changed +\S+).*", r"\1 <metrics>"),
    (r"`[0-9a-f]{10}`", "`<commit>`"),
    # What exceeds the noise, and what that costs.
    (r" (?:~|[+-]\d+%)(?= |$)", " <change>"),
    (r"\b(it costs) .*\.$", r"\1 <amounts>."),
    # Amounts, with their sign: a change of some pages may go up or down.
    (r"[+-]?\d[\d,.]* ?(?:B|KiB|MiB|GiB)(?!\w)", "<bytes>"),
    (r"[+-]?\d[\d,.]* ?(?:ns|us|ms|s)(?!\w)", "<time>"),
    (r"\d+%", "<share>"),
    (r"(?<![\w:.])[+-]?\d[\d,.]*(?![\w.])", "<number>"),
    (r"<number> collections?\b", "<number> collections"),
    # How wide a column or a line is follows from the amounts in it.
    (r"={2,}", "="),
    (r"_{2,}", "_"),
    (r"-{2,}", "-"),
    (r"\s+", " "),
)
# Whether a layout is another one than the baseline's is the machine's doing.
_LAYOUT_NOTE = re.compile(r"note: objects lie in other pages than in the baseline's run")
_LINES_TABLE = re.compile(r" *private +line +function +most of it under")
# An allocator that only some machines have.
_JEMALLOC = re.compile(r"(?:\S.*, )?jemalloc  ")
_ROW = re.compile(r" *\d[\d,.]* \w+  ")


def differences(old: str, new: str) -> list[str]:
    """Return the lines in which two outputs differ in shape: with "-" the old, with "+" the new.

    A note on another layout counts only where both outputs have it.
    """
    first, second = shape(old), shape(new)
    both = _layout_notes(first) & _layout_notes(second)
    for side in (first, second):
        for note in _layout_notes(side) - both:
            side[:] = [line for line in side if not line.startswith(note)]
    return [line for line in ndiff(first, second) if line.startswith(("-", "+"))]


def shape(text: str) -> list[str]:
    """Return the lines of an output as they are everywhere; a wrapped sentence is one line."""
    lines: list[str] = []
    for line in _without_libraries(text.splitlines()):
        is_cells = re.search(r"\S {2,}\S", line)
        if line.startswith("  ") and not is_cells and lines and lines[-1]:
            lines[-1] += f" {line.strip()}"
        elif not _JEMALLOC.match(line):
            lines.append(line)
    return [_without_amounts(line) for line in lines]


def _layout_notes(lines: list[str]) -> set[str]:
    """Return how the notes on another layout begin, of those that are there."""
    return {found[0] for line in lines if (found := _LAYOUT_NOTE.match(line))}


def _without_libraries(lines: list[str]) -> list[str]:
    """Return the lines with only the first row of a table of source lines, less its last column.

    The first row is what the page is about. The last column and the other rows name lines of
    libraries, which move with their versions.
    """
    kept: list[str] = []
    row = -1  # of such a table: 0 is the header, 1 the rule, 2 the first row
    last_column = 0
    for line in lines:
        row = 0 if _LINES_TABLE.match(line) else row + 1 if row >= 0 else -1
        if row == 1:
            last_column = line.rindex(" ")
        if row >= 2 and not _ROW.match(line):
            row = -1
        if row == 2:
            line = line[:last_column]
        if row <= 2:
            kept.append(line)
    return kept


def _without_amounts(line: str) -> str:
    for pattern, name in _MEASURED:
        line = re.sub(pattern, name, line)
    return line.strip()
