"""Which entry a renamed or moved test has. Pure. Runs in the process that compares."""

from collections.abc import Mapping

from pytest_cowmem.model.baseline import Entry


def former_id(test: str, source: str, gone: Mapping[str, Entry]) -> str | None:
    """The id that a test had: of the same source, app and parameters, and gone.

    `source` is the hash of source and app, "" where it is not known. None where there is no such
    id, or more than one.
    """
    alike = [old for old, entry in gone.items() if entry.source == source != ""]
    alike = [old for old in alike if _parameters(old) == _parameters(test)]
    return alike[0] if len(alike) == 1 else None


def _parameters(test: str) -> str:
    return test.partition("[")[2]
