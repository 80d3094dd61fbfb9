"""What comes back from the zygote side, with named fields. Runs in the pytest process.

zygote/messages.py says what each kind means; the fields come in the order given there.
"""

# ruff: noqa: UP014  # one line a message
from typing import Any, NamedTuple, TypeVar

from pytest_cowmem.zygote import messages, wire

# From a worker of gunicorn
Born = NamedTuple("Born", [("pid", int), ("age", int), ("inode", int)])

# From the zygote and from twins
Again = NamedTuple("Again", [("compiling", int)])
Failed = NamedTuple("Failed", [("line", str), ("traceback", str)])
Started = NamedTuple("Started", [("facts", dict[str, Any])])
Collected = NamedTuple("Collected", [("copied", int), ("cpu", int)])
Forked = NamedTuple("Forked", [("twin", int), ("worker", int)])
Unknown = NamedTuple("Unknown", [("name", str)])
Reaped = NamedTuple("Reaped", [("code", int | None)])

# From workers
Alive = NamedTuple("Alive", [])
Read = NamedTuple("Read", [("most", int)])
Head = NamedTuple("Head", [("status", str), ("headers", list[tuple[str, str]])])
Done = NamedTuple("Done", [("served", int)])
Going = NamedTuple("Going", [])
Aborted = NamedTuple("Aborted", [])
Mixed = NamedTuple("Mixed", [("first", str), ("other", str), ("at", int)])
Returned = NamedTuple("Returned", [])
Raised = NamedTuple("Raised", [("line", str), ("traceback", str), ("at", int)])
Loaded = NamedTuple("Loaded", [("modules", list[str]), ("recorded", bool), ("going", list[str])])
Planted = NamedTuple("Planted", [("pages", int)])
Telling = NamedTuple("Telling", [("error", int)])
Used = NamedTuple("Used", [("pymalloc", int | None), ("libc", int | None)])

# From the fork of a plain test
Ended = NamedTuple("Ended", [("passed", bool)])

# From the worker of a leak round
Looked = NamedTuple("Looked", [])
Left = NamedTuple("Left", [("keepers", list[tuple[Any, ...]]), ("more", list[tuple[str, int]])])

# From the worker and the twin of a traced round
Begun = NamedTuple("Begun", [])
Marked = NamedTuple("Marked", [])
Charged = NamedTuple("Charged", [("account", dict[str, Any])])
Grown = NamedTuple(
    "Grown",
    [
        ("entries", dict[str, tuple[int, int]]),
        ("names", list[str]),
        ("places", dict[str, tuple[str, int]]),
    ],
)
Held = NamedTuple("Held", [("held", Any)])
Mapped = NamedTuple("Mapped", [("types", list[str]), ("modules", list[str])])

Answer = tuple[Any, ...]  # one of the above
Expected = TypeVar("Expected", bound=Answer)
ANSWERS: dict[str, type[Answer]] = {
    messages.BORN: Born,
    messages.AGAIN: Again,
    messages.FAILED: Failed,
    messages.STARTED: Started,
    messages.COLLECTED: Collected,
    messages.FORKED: Forked,
    messages.UNKNOWN: Unknown,
    messages.REAPED: Reaped,
    messages.ALIVE: Alive,
    messages.READ: Read,
    messages.HEAD: Head,
    messages.DONE: Done,
    messages.GOING: Going,
    messages.ABORTED: Aborted,
    messages.MIXED: Mixed,
    messages.RETURNED: Returned,
    messages.RAISED: Raised,
    messages.LOADED: Loaded,
    messages.PLANTED: Planted,
    messages.USED: Used,
    messages.TELLING: Telling,
    messages.ENDED: Ended,
    messages.LOOK: Looked,
    messages.LEFT: Left,
    messages.BEGIN: Begun,
    messages.MARK: Marked,
    messages.CHARGED: Charged,
    messages.GROWN: Grown,
    messages.HELD: Held,
    messages.MAP: Mapped,
}


def named(message: wire.Message) -> Answer:
    """A message from the zygote side, with its fields' names."""
    kind, *fields = message
    return ANSWERS[kind](*fields)
