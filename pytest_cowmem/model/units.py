"""Sizes and times as people write them: "6 MiB" <-> 6291456, "5 ms" <-> 5000000. Runs in the pytest process.

Inside the program every amount is a plain int: bytes, nanoseconds or a count.
"""

import re
from decimal import Decimal
from typing import Literal

Unit = Literal["bytes", "ns", "count"]

SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}

_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)?\s*", re.ASCII)
_EXAMPLES = {"bytes": "6 MiB", "ns": "5 ms", "count": "3"}


def example(unit: Unit) -> str:
    """An amount of that unit, as a person would write it."""
    return _EXAMPLES[unit]


def parse(value: object, unit: Unit) -> int:
    """Bytes, nanoseconds or a count from what a person wrote; a plain number is bytes, seconds or a count.

    ValueError, with the cause and nothing else, when it is none. Half a byte is none; of larger units, the fraction of a byte is cut off.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is a {type(value).__name__}, not an amount")
    match = (
        _AMOUNT.fullmatch(str(value))
        if isinstance(value, str)
        else _AMOUNT.fullmatch(format(Decimal(str(value)), "f"))
    )
    if match is None:
        raise ValueError(
            f"{value!r} is not {_kind(unit)}"
            + (": it is negative" if str(value).strip().startswith("-") else "")
        )
    number, name = Decimal(match[1]), match[2]
    known = {"bytes": SIZES, "ns": TIMES, "count": {}}[unit]
    if name is None:
        factor = 10**9 if unit == "ns" else 1
    elif name in known:
        factor = known[name]
    else:
        raise ValueError(
            f"{value!r} has the unknown unit {name!r}"
            + (f" (known: {', '.join(known)})" if known else ", and a count has none")
        )
    amount = number * factor
    if amount != int(amount) and factor == 1:
        raise ValueError(
            f"{value!r} is not a whole number"
            + (f" of {name or 'bytes'}" if unit != "count" else "")
        )
    return int(amount)


def render(amount: "int | float", unit: Unit) -> str:
    """An amount for people, to three figures or so: "1.25 MiB", "310 us", "12"."""
    if unit == "count":
        return f"{amount:,}"
    steps = (
        [("B", 1), ("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)]
        if unit == "bytes"
        else list(TIMES.items())
    )
    name, factor = steps[0]
    for bigger_name, bigger in steps[1:]:
        if abs(amount) >= bigger:
            name, factor = bigger_name, bigger
    scaled = amount / factor
    digits = 0 if factor == 1 or abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
    return f"{scaled:,.{digits}f} {name}"


def render_change(amount: "int | float", unit: Unit) -> str:
    """The same with its sign, for differences: "+1.25 MiB"."""
    return ("+" if amount > 0 else "") + render(amount, unit)


def _kind(unit: Unit) -> str:
    return {
        "bytes": 'a size such as "6 MiB"',
        "ns": 'a time such as "5 ms"',
        "count": "a whole number",
    }[unit]
