"""What a traced round does that a measured one does not. Runs in its twin and its worker, and is loaded into no other process.

The twin prepares, and forks the worker. The worker is asked to `begin` when it is ready, to `mark` when it has warmed up, and for what was
`charged` at its end. Then the twin draws its objects, and both say what their containers hold. Maps go to a file the pytest process gave.
"""

import sys
from typing import Any

from pytest_cowmem.zygote.trace import containers, lines, objects

Message = tuple[Any, ...]

_fd = -1
_REHEARSALS = 10  # CPython 3.11 writes to code at its eighth call


def prepare(fd: int, roots: "list[str]", counted: int) -> None:
    """Make ready to trace, in the twin; `fd` is the file for maps, the others are as `lines.prepare` takes them."""
    global _fd
    _fd = fd
    lines.prepare(roots, counted)


def arm() -> None:
    """Start to listen, in the worker, and touch what comes with every request."""
    lines.arm()
    for _ in range(_REHEARSALS):
        attended(lambda *_: None)(None, None)


def attended(app: Any) -> Any:
    """A WSGI app whose every request is listened to, whatever the one before did to end that."""

    def serve(environ: Any, start_response: Any) -> Any:
        lines.listen()
        return app(environ, start_response)

    return serve


def answer_in_worker(kind: str, *rest: Any) -> Message:
    """What the worker answers to a message that only a traced one gets."""
    if kind == "begin":
        lines.begin()
    elif kind == "mark":
        lines.mark()
    elif kind == "charged":
        return (kind, lines.disarm())
    elif kind == "grown":
        return (kind, *containers.draw_grown(_fd, rest[0], lines.app_code(), lines.is_app))
    return (kind,)


def answer_in_twin(kind: str, loaded: "frozenset[str]") -> Message:
    """What the twin answers; `loaded` are the modules that were loaded before this one."""
    lines.hush()
    if kind == "held":
        return (kind, containers.entries(loaded))
    return (kind, *objects.draw(_fd, loaded))


def app_folders(target: str) -> "list[str]":
    """The folders of the package that `module:attr` is in, which may be installed among libraries."""
    package = sys.modules.get(target.partition(":")[0].partition(".")[0])
    return (
        [folder for folder in vars(package).get("__path__", ()) if type(folder) is str]
        if package
        else []
    )
