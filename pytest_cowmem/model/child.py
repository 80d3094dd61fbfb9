"""A process below a worker, as reports tell of it. Runs in the pytest process; no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Child:
    """A descendant of a worker: a fork, or a program.

    `what` is "fork", or how the program was called. `during` is what the worker was asked for when
    it was first seen. `private` is the bytes that were its own when they were most.
    """

    what: str
    during: str
    private: int
