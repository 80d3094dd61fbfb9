"""What a traced round does that a measured one does not. Runs in its twin and its worker only.

The twin prepares, and forks the worker. The worker is asked to `begin` when it is ready, to `mark`
when it has warmed up, and for what was `charged` at its end. Then the twin writes its map of
objects, and both count what their containers hold. The pytest process gives the file for maps.
"""

from typing import Any

from pytest_cowmem.zygote import messages
from pytest_cowmem.zygote.trace import containers, lines, notes, objects
from pytest_cowmem.zygote.trace.filling import FillSearch

Message = tuple[Any, ...]

_fd: int  # the file for maps, from prepare()


def prepare(fd: int, watch: int, roots: "list[str]") -> None:
    """Make ready to trace, in the twin.

    `fd` is the file for maps; the others are as `lines.prepare` takes them.
    """
    global _fd
    _fd = fd
    lines.prepare(roots, watch)
    notes.watch_enabling()


def answer_in_worker(kind: str, *fields: Any) -> Message:
    """What the worker answers to a message that only a traced one gets."""
    if kind == messages.BEGIN:
        lines.begin()
    elif kind == messages.MARK:
        lines.mark()
    elif kind == messages.CHARGED:
        account = lines.disarm()
        account["turned_on"] = notes.turned_on()
        account["uncompiled"] = notes.without_byte_code()
        return (kind, account)
    elif kind == messages.GROWN:
        (held,) = fields
        search = FillSearch(lines.app_code(), lines.faults_by_line())
        return (kind, *containers.write_grown(_fd, held, search, lines.is_app))
    return (kind,)


def answer_in_twin(kind: str, loaded: "frozenset[str]") -> Message:
    """What the twin answers; `loaded` are the modules that were loaded before this one."""
    lines.hush()
    if kind == messages.HELD:
        return (kind, containers.entries(loaded))
    return (kind, *objects.write_map(_fd, loaded))
