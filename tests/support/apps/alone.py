"""A module that serves no requests: functions to call."""

import asyncio
import sys

rows = [{"number": number, "name": f"row {number}"} for number in range(20_000)]
kept = []


def add(one, other):
    return one + other


async def add_later(one, other):
    await asyncio.sleep(0)
    return one + other


def is_loaded(module):
    return module in sys.modules


def scan():
    return sum(len(row) for row in rows)


def keep(size):
    kept.append(b"x" * size)
    return len(kept)


def third_fails():
    kept.append(1)
    if len(kept) == 3:
        raise LookupError("no third one")


def unsendable():
    return lambda: None
