"""The masters of a run, named so that they can be told apart. Runs in the pytest process."""

from collections.abc import Iterator, Mapping, Sequence

from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render


def masters(records: Sequence[Record]) -> Iterator[str]:
    """A sentence for each master: its app, how that differs from others of its name, its size."""
    found = {(it.app, tuple(sorted(it.options.items())), it.size) for it in records}
    named = []
    for app, options, size in found:
        alike = [dict(others) for name, others, _ in found if name == app]
        named.append((", ".join((app, *_differences(dict(options), alike))), size))
    for name, size in sorted(named):
        yield f"zygote {name}: {render(size, 'bytes')} resident"


def _differences(options: Mapping[str, str], alike: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """The options that `alike` do not share.

    A variable's value may be a secret, and is said only where its name does not tell them apart.
    """
    for option, value in options.items():
        values = {others.get(option) for others in alike}
        if values == {value}:
            continue
        if not option.startswith("env "):
            yield f"{option} {value}"
        else:
            yield option if values == {value, None} else f"{option}={value}"
