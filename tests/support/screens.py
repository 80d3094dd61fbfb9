"""What a terminal shows of what was written to it."""

import io


def screen(written: io.StringIO | str) -> str:
    """The last line, after its backspaces and without the blanks at its end."""
    text = written if isinstance(written, str) else written.getvalue()
    cells: list[str] = []
    at = 0
    for character in text.rpartition("\n")[2]:
        if character == "\b":
            at -= 1
        else:
            cells[at : at + 1] = [character]
            at += 1
    return "".join(cells).rstrip()
