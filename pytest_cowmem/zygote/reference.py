"""A fixed app of the standard library, which only interpreter and machine can change.

Runs in the zygote of the reference. Where its figures move as an app's do, the app is not to blame.
"""

import collections
import dataclasses
import decimal
import json
import random
from collections.abc import Callable, Iterable
from typing import Any

_ROWS = 5_000


@dataclasses.dataclass(frozen=True)
class Row:
    """What the app has some thousands of, in objects of many kinds."""

    number: int
    name: str
    price: decimal.Decimal
    tags: "list[str]"
    parts: "dict[str, int]"


_numbers = random.Random(1)
_rows = [
    Row(
        number,
        f"row {number}",
        decimal.Decimal(number) / 7,
        [f"tag {_numbers.randrange(100)}" for _ in range(number % 5)],
        {f"part {index}": number for index in range(number % 3)},
    )
    for number in range(_ROWS)
]
_kept: "list[object]" = []


def app(environ: "dict[str, Any]", start_response: Callable[..., object]) -> Iterable[bytes]:
    """Read shared objects, make garbage, keep something, or keep enough for a collection."""
    found = _SERVE[environ["PATH_INFO"]]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(found).encode()]


def _read() -> int:
    return sum(len(row.tags) for row in _rows)


def _parse() -> int:
    rows = [[row.number, row.name, row.tags, row.parts] for row in _rows[:500]]
    return len(json.loads(json.dumps(rows)))


def _keep() -> int:
    _kept.append(collections.Counter(row.name for row in _rows[:2_000]))
    return len(_kept)


def _collect() -> int:
    _kept.extend([{index: [index]} for index in range(5_000)])
    return len(_kept)


_SERVE = {"/read": _read, "/parse": _parse, "/keep": _keep, "/collect": _collect}
