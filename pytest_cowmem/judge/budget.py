"""`@pytest.mark.mem_budget(...)` and tolerances, from what people write to numbers. Runs in the pytest process; no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_cowmem.model import units
from pytest_cowmem.model.errors import wrong_and_right
from pytest_cowmem.model.metrics import METRICS, Tolerance

_OPTIONS = ("rounds", "tolerance")


@dataclass(frozen=True)
class Budget:
    """One test's absolute limits in bytes, nanoseconds or counts, and its own rounds and tolerances."""

    limits: Mapping[str, int] = field(default_factory=dict)
    rounds: int | None = None
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    @classmethod
    def from_markers(cls, markers: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> "Budget":
        """Merge markers, given as (args, kwargs), closest first: a closer one overrides a farther one keyword by keyword.

        UsageError for an unknown keyword, unit or sign.
        """
        merged: dict[str, Any] = {}
        for args, options in markers:
            if args:
                raise wrong_and_right(
                    "mem_budget takes keywords only",
                    f"mem_budget({args[0]!r})",
                    f"mem_budget(private={args[0]!r})",
                )
            merged = {**options, **merged}
        limits = {
            name: _limit(name, value) for name, value in merged.items() if name not in _OPTIONS
        }
        return cls(limits, _rounds(merged.get("rounds")), _tolerances(merged.get("tolerance")))


def parse_tolerance(text: object, metric: str) -> Tolerance:
    """A tolerance from "2 % / 64 KiB", or from either part alone. ValueError when it is none."""
    parts = text.split("/") if isinstance(text, str) else [text]
    shares = [
        part.strip()[:-1] for part in parts if isinstance(part, str) and part.strip().endswith("%")
    ]
    amounts = [part for part in parts if not (isinstance(part, str) and part.strip().endswith("%"))]
    if len(shares) > 1 or len(amounts) > 1:
        raise ValueError("it has a part twice")
    relative = float(shares[0]) / 100 if shares else 0.0
    if not 0 <= relative < float("inf"):
        raise ValueError(f"'{shares[0]}%' is not a share")
    return Tolerance(relative, units.parse(amounts[0], METRICS[metric].unit) if amounts else 0)


def parse_tolerance_lines(lines: Iterable[str]) -> dict[str, Tolerance]:
    """The ini option: one `metric = tolerance` a line. UsageError for anything else."""
    found = {}
    for line in lines:
        name, _, text = (word.strip() for word in line.partition("="))
        found[name] = _tolerance(
            name, text, f"cowmem_tolerance: {line}", "cowmem_tolerance: private = 2 % / 64 KiB"
        )
    return found


def _tolerances(given: object) -> dict[str, Tolerance]:
    if given is None:
        return {}
    right = 'mem_budget(tolerance={"private": "2 % / 64 KiB"})'
    if not isinstance(given, Mapping):
        raise wrong_and_right(
            "a tolerance belongs to a metric", f"mem_budget(tolerance={given!r})", right
        )
    return {
        name: _tolerance(name, text, f"mem_budget(tolerance={{{name!r}: {text!r}}})", right)
        for name, text in given.items()
    }


def _tolerance(name: str, text: object, wrong: str, right: str) -> Tolerance:
    if name not in METRICS:
        raise wrong_and_right(_unknown(name), wrong, right)
    try:
        return parse_tolerance(text, name)
    except ValueError as error:
        raise wrong_and_right(f"{text!r} is not a tolerance: {error}", wrong, right) from None


def _limit(name: str, value: object) -> int:
    if name not in METRICS:
        close = get_close_matches(name, METRICS, 1) or ["private"]
        raise wrong_and_right(
            _unknown(name), f"mem_budget({name}={value!r})", f"mem_budget({close[0]}={value!r})"
        )
    unit = METRICS[name].unit
    try:
        return units.parse(value, unit)
    except ValueError as error:
        right = units.example(unit) if unit != "count" else 3
        raise wrong_and_right(
            str(error), f"mem_budget({name}={value!r})", f"mem_budget({name}={right!r})"
        ) from None


def _rounds(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise wrong_and_right(
        "rounds is a whole number of at least 1",
        f"mem_budget(rounds={value!r})",
        "mem_budget(rounds=5)",
    )


def _unknown(name: str) -> str:
    return f"there is no metric {name!r}: the metrics are {', '.join(METRICS)}"
