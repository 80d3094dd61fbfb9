"""Budgets and tolerances as people write them. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_cowmem.model import units
from pytest_cowmem.model.errors import wrong_and_right
from pytest_cowmem.model.metrics import METRICS, Tolerance

Marker = tuple[tuple[Any, ...], Mapping[str, Any]]  # args and kwargs


@dataclass(frozen=True)
class Budget:
    """One test's limits in bytes, nanoseconds or counts, and its own rounds and tolerances."""

    limits: Mapping[str, int] = field(default_factory=dict)
    rounds: int | None = None
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    @classmethod
    def from_markers(cls, markers: Iterable[Marker]) -> "Budget":
        """Merge markers by keyword: the first, the closest, wins. UsageError for an invalid one."""
        merged: dict[str, Any] = {}
        for args, keywords in markers:
            if args:
                wrong, right = f"mem_budget({args[0]!r})", f"mem_budget(private={args[0]!r})"
                raise wrong_and_right("mem_budget takes keywords only", wrong, right)
            merged = {**keywords, **merged}
        rounds, tolerance = merged.pop("rounds", None), merged.pop("tolerance", None)
        limits = {name: _limit(name, value) for name, value in merged.items()}
        return cls(limits, _rounds(rounds), _tolerances(tolerance))


def parse_tolerance(text: object, metric: str) -> Tolerance:
    """A tolerance from "2 % / 64 KiB", or from either part alone. ValueError when it is none."""
    share = amount = None
    for part in text.split("/") if isinstance(text, str) else [text]:
        if isinstance(part, str) and part.strip().endswith("%"):
            if share is not None:
                raise ValueError("it has two shares")
            share = float(part.strip().removesuffix("%")) / 100
            if not 0 <= share < float("inf"):
                raise ValueError(f"{part.strip()!r} is not a share")
        else:
            if amount is not None:
                raise ValueError("it has two amounts")
            amount = units.parse(part, METRICS[metric].unit)
    return Tolerance(share or 0.0, amount or 0)


def parse_tolerance_lines(lines: Iterable[str]) -> dict[str, Tolerance]:
    """The ini option: one `metric = tolerance` a line. UsageError for anything else."""
    right = "cowmem_tolerance: private = 2 % / 64 KiB"
    tolerances = {}
    for line in lines:
        name, _, text = line.partition("=")
        name = name.strip()
        tolerances[name] = _tolerance(name, text.strip(), f"cowmem_tolerance: {line}", right)
    return tolerances


def _tolerances(given: object) -> dict[str, Tolerance]:
    if given is None:
        return {}
    right = 'mem_budget(tolerance={"private": "2 % / 64 KiB"})'
    if not isinstance(given, Mapping):
        wrong = f"mem_budget(tolerance={given!r})"
        raise wrong_and_right("a tolerance belongs to a metric", wrong, right)
    tolerances = {}
    for name, text in given.items():
        wrong = f"mem_budget(tolerance={{{name!r}: {text!r}}})"
        tolerances[name] = _tolerance(name, text, wrong, right)
    return tolerances


def _tolerance(name: str, text: object, wrong: str, right: str) -> Tolerance:
    if name not in METRICS:
        raise wrong_and_right(_unknown(name), wrong, right)
    try:
        return parse_tolerance(text, name)
    except ValueError as error:
        raise wrong_and_right(f"{text!r} is not a tolerance: {error}", wrong, right) from None


def _limit(name: str, value: object) -> int:
    wrong = f"mem_budget({name}={value!r})"
    if name not in METRICS:
        (close,) = get_close_matches(name, METRICS, 1) or ["private"]
        raise wrong_and_right(_unknown(name), wrong, f"mem_budget({close}={value!r})")
    unit = METRICS[name].unit
    try:
        return units.parse(value, unit)
    except ValueError as error:
        right = f"mem_budget({name}={units.EXAMPLES[unit]!r})"
        raise wrong_and_right(str(error), wrong, right) from None


def _rounds(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    problem = "rounds is a whole number of at least 1"
    raise wrong_and_right(problem, f"mem_budget(rounds={value!r})", "mem_budget(rounds=5)")


def _unknown(name: str) -> str:
    return f"there is no metric {name!r}: the metrics are {', '.join(METRICS)}"
