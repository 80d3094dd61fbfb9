"""What a plain test's fork hands back of its call phase. Runs in the fork and the pytest process.

All that pytest, its plugins or coverage kept in the fork's memory ends with it, but for what is
named here.
"""

import copyreg
import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

Serial = dict[str, Any]


@dataclass(frozen=True)
class Carried:
    """What the fork hands back, in types that pickle has.

    `report` is the report of the call phase, and `logged` are those of subtests. `sections` is what
    was captured, and `warned` the arguments of `warnings.showwarning`. `raised` is what the body
    raised, and `ends` what ends the run. `left` says how the body left without being measured.
    `covered` is coverage's data, and `failed_subtests` counts those.
    """

    report: Serial | None = None
    logged: Sequence[Serial] = ()
    sections: Sequence[tuple[str, str, str]] = ()
    warned: Sequence[tuple[Any, ...]] = ()
    raised: BaseException | None = None
    ends: BaseException | None = None
    left: str = ""
    covered: bytes = b""
    failed_subtests: int = 0


def _outcome(name: str, *arguments: Any) -> BaseException:
    """One of pytest's own exceptions, as of `pytest.skip`."""
    exception: type[BaseException] = getattr(pytest, name).Exception
    return exception(*arguments)


def _reduced(error: Any) -> tuple[Any, ...]:
    return _outcome, (_OUTCOMES[type(error)], error.msg)


def _reduced_exit(error: Any) -> tuple[Any, ...]:
    return _outcome, ("exit", error.msg, error.returncode)


# pytest says that they are builtins, where pickle does not find them.
_OUTCOMES = {pytest.fail.Exception: "fail", pytest.skip.Exception: "skip"}
for _kind in _OUTCOMES:
    copyreg.pickle(_kind, _reduced)
copyreg.pickle(pytest.exit.Exception, _reduced_exit)


def portable(error: BaseException) -> BaseException:
    """The same exception where pickle has it, without its traceback; else a failure that names it.

    The report has all that is shown of it. Plugins ask for its type, to run a test again for one.
    """
    if travels(error):
        return error
    return pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False)


def travels(value: object) -> bool:
    """Whether pickle gives a value back."""
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # whatever a foreign __reduce__ or __init__ raises
        return False
    return True


def serial(config: pytest.Config, report: pytest.TestReport) -> Serial:
    """A report as a dict, without what pickle does not have of what other plugins put on it.

    What this plugin puts on reports is put on them in the pytest process.
    """
    data: Serial = config.hook.pytest_report_to_serializable(config=config, report=report)
    return {
        name: value
        for name, value in data.items()
        if travels(value) and not name.startswith("cowmem")
    }


def _coverage() -> Any:
    """The coverage.Coverage that runs here, None where none does."""
    module = sys.modules.get("coverage")
    return module.Coverage.current() if module else None


def covered() -> bytes:
    """What coverage has measured in the fork, as its data dumps itself; empty without it."""
    coverage = _coverage()
    if coverage is None:
        return b""
    coverage.stop()
    # It would erase the file of that name, which pytest's process may have open (sqldata.py).
    coverage._data._no_disk = True
    dumped: bytes = coverage.get_data().dumps()
    return dumped


def take(item: pytest.Item, carried: Carried) -> None:
    """Have pytest and its plugins know of a fork's call phase. Runs in the pytest process."""
    if carried.ends is not None:
        raise carried.ends
    assert carried.report is not None
    for arguments in carried.warned:
        warnings.showwarning(*arguments)
    item._report_sections.extend(carried.sections)
    item.user_properties[:] = carried.report["user_properties"]
    failed_subtests(item, carried.failed_subtests)
    for data in carried.logged:
        item.ihook.pytest_runtest_logreport(report=report_of(item.config, data))
    if carried.covered:
        _add_coverage(carried.covered)


def failed_subtests(item: pytest.Item, more: int = 0) -> int:
    """How many parts of a test have failed, for which pytest fails it (_pytest/subtests.py).

    `more` are counted with them. Those of unittest do not count, and pytest 8 has none.
    """
    key = getattr(sys.modules.get("_pytest.subtests"), "failed_subtests_key", None)
    if key is None:
        return 0
    counts, test = item.config.stash[key], getattr(item, "id", item.nodeid)  # pytest 9.2: an object
    counts[test] += more
    failed: int = counts[test]
    return failed


def _add_coverage(dumped: bytes) -> None:
    coverage = _coverage()
    if coverage is not None:
        data = sys.modules["coverage"].CoverageData(no_disk=True)
        data.loads(dumped)
        coverage.get_data().update(data)


def report_of(config: pytest.Config, data: Serial) -> pytest.TestReport:
    """A report that came out of the fork. To make one takes its data apart."""
    found = config.hook.pytest_report_from_serializable(config=config, data=deepcopy(data))
    assert isinstance(found, pytest.TestReport)
    return found


def replay(carried: Carried) -> Callable[[], None]:
    """What ends as the body did in the fork, for the hooks that stand around it."""

    def runtest() -> None:
        if carried.raised is not None:
            raise carried.raised

    return runtest
