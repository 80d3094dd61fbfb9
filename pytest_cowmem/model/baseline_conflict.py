"""The text of a baseline of which two versions are left. Runs in the process that merges; no I/O.

Each conflict is of whole tests, so that no entry is left with lines of both.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher

from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.baseline_text import dumps

_OF_A_TEST = 8  # spaces before its key in the file


def conflict_text(ours: Baseline, theirs: Baseline) -> str:
    """Both versions in one text, with git's markers around what differs."""
    return "".join(_marked([*_blocks(dumps(ours))], [*_blocks(dumps(theirs))]))


def _marked(ours: list[str], theirs: list[str]) -> Iterator[str]:
    found = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    for kind, start, end, other_start, other_end in found:
        if kind == "equal":
            yield from ours[start:end]
        else:
            yield "<<<<<<< ours\n"
            yield from ours[start:end]
            yield "=======\n"
            yield from theirs[other_start:other_end]
            yield ">>>>>>> theirs\n"


def _blocks(text: str) -> Iterator[str]:
    """The lines, those of a test together."""
    block = ""
    for line in text.splitlines(keepends=True):
        bare = line.lstrip(" ")
        depth = len(line) - len(bare)
        if block and (depth < _OF_A_TEST or (depth == _OF_A_TEST and not bare.startswith("}"))):
            yield block
            block = ""
        block += line
    yield block
