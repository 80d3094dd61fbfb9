"""The format number in a file of this package. Runs in the process that reads it; no I/O."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pytest_cowmem.model.errors import UsageError

T = TypeVar("T")


def reader(readers: Mapping[int, T], data: Any, name: str) -> T:
    """The one of `readers`, by format, that is for a file's decoded `data`.

    UsageError, which calls the file `name`, for a later format than any. ValueError for none.
    """
    newest = max(readers)
    version = data.get("format") if isinstance(data, dict) else None
    if type(version) is int and version > newest:
        raise UsageError(
            f"{name} has format {version}, and this version reads up to {newest}: "
            "upgrade pytest-cowmem"
        )
    if type(version) is not int or version not in readers:
        raise ValueError(f'"format" is {version!r}, not {newest}')
    return readers[version]
