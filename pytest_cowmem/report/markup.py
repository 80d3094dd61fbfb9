"""Text of others in Markdown: it stays in code, where nothing in it means anything.

Runs in the process that writes a report; no I/O. In code there are no links, mentions, references,
HTML or emphasis, in any dialect. So what comes from tests, apps and users is written nowhere else.
"""

import re

_CODE = 160
_ELLIPSIS = "..."
_BAR = "\N{BOX DRAWINGS LIGHT VERTICAL}"


def code(text: str, longest: int = _CODE) -> str:
    """A code span of one line; a long text keeps its end, which says more of an id or a path."""
    line = visible(text[-longest - 1 :])
    if len(line) > longest:
        line = _ELLIPSIS + line[len(_ELLIPSIS) - longest :]
    fence = "`" * (_longest_run(line) + 1)
    space = " " if not line or line[0] in " `" or line[-1] in " `" else ""
    return f"{fence}{space}{line or ' '}{space}{fence}"


def cell(text: str, longest: int = _CODE) -> str:
    """A code span in a table, which a vertical bar would end."""
    # Renderers differ on a backslash before an escaped bar: a line drawn is no bar in any of them.
    return code(text.replace("\\|", f"\\{_BAR}"), longest).replace("|", "\\|")


def block(text: str, longest: int) -> str:
    """A block of code; a text of more than `longest` letters loses its end, and says so."""
    lines = "\n".join(map(visible, text[: longest + 1].split("\n")))
    if len(lines) > longest:
        lines = f"{lines[:longest]}\n{_ELLIPSIS} the rest of {len(text):,} letters is left out here"
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"{fence}text\n{lines}\n{fence}"


def quote(text: str) -> str:
    """Markdown as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def visible(text: str) -> str:
    """A text in which what cannot be seen is escaped, as control characters are."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _longest_run(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
