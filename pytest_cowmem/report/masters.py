"""The masters of a run, named so that they can be told apart. Runs in the pytest process."""

from collections.abc import Iterator, Mapping, Sequence

from pytest_cowmem.model.record import Record
from pytest_cowmem.model.units import render

Options = tuple[tuple[str, str], ...]


def masters(records: Sequence[Record]) -> Iterator[str]:
    """A sentence for each master: its app, how that differs from others of its name, its size.

    What was to be preloaded follows, each module with what it brought.
    """
    for name, of_app in sorted(by_app(records).items()):
        for size in sorted({record.size for record in of_app}):
            master = of_app[0].options.get("server", "zygote")
            yield f"{master} {name}: {render(size, 'bytes')} resident"
        for module, size, modules in of_app[0].brought:
            many = "modules" if modules > 1 else "module"
            told = f"{render(size, 'bytes')} in {modules:,} {many}"
            yield f"- preload {module}: {told if modules else 'nothing, it was loaded already'}"


def by_app(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each app, by its name and how it differs from others of that name."""
    found: dict[tuple[str, Options], list[Record]] = {}
    for record in records:
        if record.plain:
            continue
        found.setdefault((record.app, tuple(sorted(record.options.items()))), []).append(record)
    named = {}
    for (app, options), of_app in found.items():
        alike = [dict(others) for name, others in found if name == app]
        named[", ".join((app, *_differences(dict(options), alike)))] = of_app
    return named


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
