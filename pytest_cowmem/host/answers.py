"""What comes back from the zygote side, with named fields. Runs in the pytest process.

The kinds are those of zygote/messages.py; the fields come in the order given there.
"""

from typing import Any, NamedTuple, TypeVar

from pytest_cowmem.zygote import messages, wire


class Again(NamedTuple):
    """The zygote compiled source, and starts over from the bytecode."""


class Failed(NamedTuple):
    """An exception in one line, and its traceback."""

    line: str
    traceback: str


class Started(NamedTuple):
    """The zygote is ready to fork; model/facts.py describes the facts."""

    facts: dict[str, Any]


class Forked(NamedTuple):
    """The process numbers of a round's twin and worker."""

    twin: int
    worker: int


class Reaped(NamedTuple):
    """The worker's exit code, None where the app's own SIGCHLD handling took it."""

    code: int | None


class Alive(NamedTuple):
    """The worker waits for its first exchange."""


class Read(NamedTuple):
    """The app asks for at most so many bytes of the request's body."""

    most: int


class Head(NamedTuple):
    """The status line and the headers of a response."""

    status: str
    headers: list[tuple[str, str]]


class Done(NamedTuple):
    """So many requests are over."""

    served: int


class Going(NamedTuple):
    """A burst takes long, and goes on."""


class Aborted(NamedTuple):
    """The app raised after its response had begun."""


class Mixed(NamedTuple):
    """Two statuses of one burst differ; `at` counts the burst's requests from one."""

    first: str
    other: str
    at: int


class Returned(NamedTuple):
    """A call returned; its pickled result follows."""


class Raised(NamedTuple):
    """A call raised: the exception in one line, and its traceback."""

    line: str
    traceback: str


class Loaded(NamedTuple):
    """The modules that the worker has, and whether collections are still recorded."""

    modules: list[str]
    recorded: bool


class Planted(NamedTuple):
    """So many pages of a regression could be planted."""

    pages: int


class Begun(NamedTuple):
    """The tracer has forgotten what it counted so far."""


class Marked(NamedTuple):
    """The tracer tells what comes from now on apart."""


class Charged(NamedTuple):
    """What the tracer counted, as zygote/trace/lines.py tells it."""

    account: dict[str, Any]


class Grown(NamedTuple):
    """The containers that grew in the worker, as zygote/trace/containers.py tells them.

    `entries` has their entries before and now by name, `places` where they are filled. `names` are
    what the numbers of the map stand for.
    """

    entries: dict[str, tuple[int, int]]
    names: list[str]
    places: dict[str, tuple[str, int]]


class Held(NamedTuple):
    """What the twin's containers hold, to be handed to the worker as it is."""

    held: Any


class Drawn(NamedTuple):
    """The names of types and of modules that the numbers of a map of objects stand for."""

    types: list[str]
    modules: list[str]


Answer = (
    Again
    | Failed
    | Started
    | Forked
    | Reaped
    | Alive
    | Read
    | Head
    | Done
    | Going
    | Aborted
    | Mixed
    | Returned
    | Raised
    | Loaded
    | Planted
    | Begun
    | Marked
    | Charged
    | Grown
    | Held
    | Drawn
)
Expected = TypeVar("Expected", bound=Answer)
ANSWERS: dict[str, type[Answer]] = {
    messages.AGAIN: Again,
    messages.FAILED: Failed,
    messages.STARTED: Started,
    messages.FORKED: Forked,
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
    messages.BEGIN: Begun,
    messages.MARK: Marked,
    messages.CHARGED: Charged,
    messages.GROWN: Grown,
    messages.HELD: Held,
    messages.DRAW: Drawn,
}


def named(message: wire.Message) -> Answer:
    """A message from the zygote side, with its fields' names."""
    kind, *fields = message
    return ANSWERS[kind](*fields)
