"""The bytes of new objects, beside what tracemalloc counts."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from pytest_cowmem.zygote.trace.sizes import bytes_beyond


def compiled(number: int) -> Any:
    """A function of code that is its own, as a template has."""
    words = ", ".join(f"'word {number} {at}'" for at in range(50))
    names: dict[str, Any] = {}
    exec(f"def page(title):\n    yield title\n    yield from ({words}, str(title))", names)
    return names.pop("page")


class Made:
    """What made classes are of. `object` has many subclasses already, and its table may grow."""


def made(number: int) -> Any:
    """A class."""
    return type(
        f"a class with a long name, as many made ones have, number {number:0500}", (Made,), {}
    )


@pytest.mark.parametrize("make", [compiled, made])
def test_what_new_objects_lead_to_is_counted(make: Callable[[int], Any]) -> None:
    kept = [make(0)]
    old = frozenset(map(id, gc.get_objects()))
    tracemalloc.start()
    try:
        kept += map(make, range(1, 101))
        gc.collect()
        here = [tracemalloc.Filter(True, name) for name in (__file__, "<string>")]
        found = tracemalloc.take_snapshot().filter_traces(here)  # xdist's thread takes memory too
    finally:
        tracemalloc.stop()
    taken = sum(trace.size for trace in found.traces)
    assert bytes_beyond([kept], old) == pytest.approx(taken, rel=0.1)
