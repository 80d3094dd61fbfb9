"""Sizes and times as people write them: "6 MiB" is 6291456, "5 ms" is 5000000.

Runs in the pytest process. Elsewhere every amount is a plain int: bytes, nanoseconds or a count.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

Unit = Literal["bytes", "ns", "count"]

SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}

_FACTORS: dict[Unit, dict[str, int]] = {"bytes": SIZES, "ns": TIMES, "count": {}}
_FACTOR_OF_PLAIN_NUMBERS = {"bytes": 1, "ns": TIMES["s"], "count": 1}
_SHOWN: dict[Unit, tuple[str, ...]] = {"bytes": ("B", "KiB", "MiB", "GiB"), "ns": tuple(TIMES)}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)?\s*", re.ASCII)
_KINDS = {
    "bytes": 'a size such as "6 MiB"',
    "ns": 'a time such as "5 ms"',
    "count": "a whole number",
}
EXAMPLES: dict[Unit, object] = {"bytes": "6 MiB", "ns": "5 ms", "count": 3}


def parse(value: object, unit: Unit) -> int:
    """Bytes, nanoseconds or a count from what a person wrote.

    A plain number is bytes, seconds or a count. The fraction of a byte that larger units leave is
    cut off. ValueError, with the cause alone, for anything else and for half a byte.
    """
    number, name = _split(value, unit)
    factors = _FACTORS[unit]
    if name is not None and name not in factors:
        mend = f" (known: {', '.join(factors)})" if factors else ", and a count has none"
        raise ValueError(f"{value!r} has the unknown unit {name!r}{mend}")
    factor = factors[name] if name else _FACTOR_OF_PLAIN_NUMBERS[unit]
    amount = number * factor
    if amount != int(amount) and factor == 1:
        of_what = "" if unit == "count" else f" of {name or 'bytes'}"
        raise ValueError(f"{value!r} is not a whole number{of_what}")
    return int(amount)


def _split(value: object, unit: Unit) -> tuple[Decimal, str | None]:
    """(the number, the name of its unit where there is one)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is a {type(value).__name__}, not an amount")
    text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        cause = ": it is negative" if text.strip().startswith("-") else ""
        raise ValueError(f"{value!r} is not {_KINDS[unit]}{cause}")
    return Decimal(match[1]), match[2]


def render(amount: "int | float", unit: Unit) -> str:
    """An amount for people, to three figures or so: "1.25 MiB", "310 us", "12"."""
    if unit == "count":
        return f"{amount:,}"
    name, *larger = _SHOWN[unit]
    for candidate in larger:
        if abs(amount) >= _FACTORS[unit][candidate]:
            name = candidate
    factor = _FACTORS[unit][name]
    scaled = amount / factor
    whole_digits = len(str(int(abs(scaled))))
    decimals = 0 if factor == 1 else max(3 - whole_digits, 0)
    return f"{scaled:,.{decimals}f} {name}"


def render_change(amount: "int | float", unit: Unit) -> str:
    """A difference, rendered with its sign: "+1.25 MiB"."""
    return ("+" if amount > 0 else "") + render(amount, unit)


def listed(words: Sequence[str]) -> str:
    """Words as a list: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
