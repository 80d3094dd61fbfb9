"""Amounts on a command's line. Runs in a process of its own."""

import argparse

from pytest_cowmem.model import units


def size(text: str) -> int:
    """Bytes from "4 GiB" and the like, as argparse wants it."""
    try:
        return units.parse(text, "bytes")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
