"""The text of the baseline's file. Runs in the pytest process; no I/O."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_cowmem.model.baseline import LAYOUTS, Baseline, Entry, Environment, Profile
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.model.formats import reader
from pytest_cowmem.model.metrics import GROWTH
from pytest_cowmem.model.typed import typed

FORMAT = 2

_CONDITIONS, _COLLECTIONS = "conditions", "gc_collections"  # what share a line of an entry
_ALL = "all"  # generations
_FIELDS = frozenset({"layouts", "modules", "what_if"})  # the rest are metrics
_EXPANDED = 5  # levels of objects with a line for each key: down to a test's figures


@dataclass(frozen=True)
class _Figure:
    """One metric in the file; `first` and `sd` are there where layouts differ."""

    mean: int
    first: int | None = None
    sd: int | None = None


def loads(text: str, name: str = "baseline") -> Baseline:
    """The baseline in `text`. UsageError, which names it, for what `dumps` does not write."""
    if has_conflict(text):
        raise UsageError(
            f"the baseline {name} has merge conflict markers: resolve them, "
            "or check out one side and run with --cowmem-update"
        )
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except _Twice as error:
        raise UsageError(
            f"the baseline {name} has {error} twice in one place, as a merge can leave it: "
            "take out one of the two, or check out one side and run with --cowmem-update"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the baseline {name} is not JSON ({error}): restore it from git"
        ) from None
    try:
        read = reader(_READERS, data, f"the baseline {name}")
        _refuse_others(data, "format", "profiles")
        profiles = {}
        for key, value in data["profiles"].items():
            _refuse_others(value, "environment", "reference", "tests")
            environment = typed(Environment, value["environment"])
            tests = {test: _read(read, test, entry) for test, entry in value["tests"].items()}
            reference = typed(Mapping[str, int], value.get("reference", {}))
            profiles[key] = Profile(environment, tests, reference)
        return Baseline(profiles)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the baseline {name} is not one ({_cause(error)}): restore it from git"
        ) from None


def has_conflict(text: str) -> bool:
    """Whether git left markers of a conflict in a file."""
    return any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines())


def _read(read: Callable[[Mapping[str, Any]], Entry], test: str, data: Mapping[str, Any]) -> Entry:
    """The entry of a test. ValueError, which names the test, for what is none."""
    try:
        return read(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"in {test}, {_cause(error)}") from None


def _cause(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _entry(data: Mapping[str, Any]) -> Entry:
    """An entry as `_lines` writes it: a metric is a number, or a mean with what layouts did."""
    fields = {name: data[name] for name in data if name in _FIELDS}
    by_generation = typed(Mapping[str, int], data.get(_COLLECTIONS, {}), _COLLECTIONS)
    counts = {
        _COLLECTIONS if key == _ALL else f"{_COLLECTIONS}_{key}": count
        for key, count in by_generation.items()
    }
    figures = {
        name: _figure(name, value)
        for name, value in data.items()
        if name not in _FIELDS | {_CONDITIONS, _COLLECTIONS}
    }
    entry: Entry = typed(
        Entry,
        {
            **data[_CONDITIONS],
            **fields,
            "metrics": counts | {name: figure.mean for name, figure in figures.items()},
            "first": _given({name: figure.first for name, figure in figures.items()}),
            "deviation": _given({name: figure.sd for name, figure in figures.items()}),
        },
    )
    return entry


def _figure(name: str, value: object) -> _Figure:
    """A metric's figures: one number, or what layouts did. ValueError for a deviation below zero.

    A worker that gives back what it had when it was ready costs less than nothing.
    """
    figure: _Figure
    if isinstance(value, dict):
        figure = typed(_Figure, value, name)
    else:
        figure = _Figure(typed(int, value, name))
    if (figure.sd or 0) < 0:
        raise ValueError(f"the deviation of {name} is below zero")
    return figure


def _first_format(data: Mapping[str, Any]) -> Entry:
    """An entry of format 1: one layout, the spread over its rounds, and frozen objects counted.

    Its growth is left out, which was a slope of pages, and its source, a hash with the test's name.
    """
    kept = {name: data[name] for name in data if name not in ("spread", "rounds")} | {"source": ""}
    kept["metrics"] = {name: data["metrics"][name] for name in data["metrics"] if name != GROWTH}
    gc, _, _ = str(data["gc"]).rpartition(",") if "frozen" in data["gc"] else (data["gc"], "", "")
    entry: Entry = typed(Entry, {**kept, "gc": gc, "layouts": 1})
    return entry


def _given(amounts: Mapping[str, int | None]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount is not None}


_READERS = {1: _first_format, 2: _entry}


class _Twice(Exception):
    """The key that an object of the file has twice; json would keep the last and say nothing."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object as a dict. _Twice where a key would hide another's value."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(repr(key))
        found[key] = value
    return found


def _refuse_others(data: Mapping[str, object], *known: str) -> None:
    """ValueError for a key that would be lost when the file is written again."""
    for key in data:
        if key not in known:
            raise ValueError(f"unknown key {key!r}")


def dumps(baseline: Baseline) -> str:
    """The file's text: sorted keys and one figure a line, so that a diff reads well and merges."""
    profiles = {
        key: {
            "environment": {**profile.environment},
            **({"reference": {**profile.reference}} if profile.reference else {}),
            "tests": {test: _lines(entry) for test, entry in profile.tests.items()},
        }
        for key, profile in baseline.profiles.items()
    }
    return _text({"format": FORMAT, "profiles": profiles}, _EXPANDED) + "\n"


def _lines(entry: Entry) -> dict[str, Any]:
    """One entry, with a line for its conditions, each metric, and what is kept beside them."""
    lines: dict[str, Any] = {
        _CONDITIONS: {"gc": entry.gc, "layout": entry.layout, "source": entry.source}
    }
    for name, mean in entry.metrics.items():
        if name.startswith(_COLLECTIONS):
            key = name.removeprefix(_COLLECTIONS).removeprefix("_") or _ALL
            lines.setdefault(_COLLECTIONS, {})[key] = mean
        elif name in entry.deviation:
            lines[name] = {"first": entry.first[name], "mean": mean, "sd": entry.deviation[name]}
        else:
            lines[name] = mean
    if entry.layouts != LAYOUTS:
        lines["layouts"] = entry.layouts
    if entry.modules:
        lines["modules"] = {**entry.modules}
    if entry.what_if:
        lines["what_if"] = vars(entry.what_if)
    return lines


def _text(value: Any, depth: int, indent: str = "") -> str:
    """JSON in which objects `depth` deep have a line for each key, and deeper ones are one line."""
    if depth == 0 or not isinstance(value, dict) or not value:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    inner = indent + "  "
    lines = [
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {_text(value[key], depth - 1, inner)}"
        for key in sorted(value)
    ]
    return "{\n" + ",\n".join(lines) + "\n" + indent + "}"
