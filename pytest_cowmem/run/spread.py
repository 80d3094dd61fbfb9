"""How pytest-xdist is to spread the tests over its workers. Runs in an xdist worker.

Each xdist worker starts a zygote of each app that its tests use, and that takes the app's import.
So tests of one app go to one xdist worker as far as the mode of `--dist` lets a plugin say so, and
as far as that keeps no other one idle. All xdist workers have to collect the same tests in the same
order.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import pytest

from pytest_cowmem.model.app import App
from pytest_cowmem.run.items import app_of, id_of
from pytest_cowmem.run.own_functions import with_own_functions

IN_ORDER = ("load", "worksteal")  # the modes that hand out neighbours together

_UNNAMED = App("placeholder:app")  # for what the cow_app fixture will return
_MODE = "cowmem_dist"


def tell(node: Any) -> None:
    """Have an xdist worker know the mode: pytest-xdist tells it "no". Runs in the controller."""
    node.workerinput[_MODE] = node.config.option.dist


def mode(config: pytest.Config) -> str:
    """The mode of `--dist` that an xdist worker runs for; "" in any other process."""
    return str(getattr(config, "workerinput", {}).get(_MODE, ""))


def workers(config: pytest.Config) -> int:
    """How many xdist workers there are beside an xdist worker, and itself."""
    return int(getattr(config, "workerinput")["workercount"])  # noqa: B009


def order(items: list[pytest.Item], measured: Collection[str]) -> None:
    """Have tests of one app follow each other, from where its first one is.

    What is not measured stays behind the test that it follows.
    """
    ranks: dict[Hashable, int] = {}
    places: list[int] = []
    for app in _apps(items, measured):
        last = places[-1] if places else 0
        places.append(last if app is None else ranks.setdefault(app, len(ranks)))
    items[:] = [items[at] for at in sorted(range(len(items)), key=places.__getitem__)]


def group(items: Sequence[pytest.Item], measured: Collection[str], among: int) -> None:
    """Make one group of each app's tests, where they have none and are no more than a share.

    A share is what each of `among` xdist workers has to do. Tests of a larger app stay free, and go
    to whoever has nothing left.
    """
    free = [item for item in items if item.get_closest_marker("xdist_group") is None]
    apps = _apps(free, measured)
    counts = Counter(app for app in apps if app is not None)
    names = {app: f"cowmem-{n}" for n, app in enumerate(counts)}
    share = counts.total() / among
    for item, app in zip(free, apps, strict=True):
        if app is not None and 1 < counts[app] <= share + 1:
            item.add_marker(pytest.mark.xdist_group(names[app]))


def _apps(items: Sequence[pytest.Item], measured: Collection[str]) -> list[Hashable | None]:
    """What tells apart the app of each test, as far as that is known before fixtures are set up.

    It is None for a test that is not measured.
    """
    known = {*measured}
    return [_app(item) if id_of(item) in known else None for item in items]


def _app(item: pytest.Item) -> Hashable:
    """The fixture that returns the app, which of its parameters, and what markers make of it."""
    node: Any = item if pytest.version_tuple >= (8, 1) else item.nodeid
    found = item.session._fixturemanager.getfixturedefs("cow_app", node) or ()
    fixture = (found[-1].baseid, found[-1].func.__qualname__) if found else ()
    callspec = getattr(item, "callspec", None)
    parameter = callspec.indices.get("cow_app") if callspec else None
    return fixture, parameter, with_own_functions(app_of(item, _UNNAMED), item)
