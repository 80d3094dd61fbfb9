"""What a test would cost under other policies. Runs in the pytest process; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_cowmem.model.policy import Policy

Requests = tuple[tuple[str, str], ...]  # (path, query) of each

AS_CONFIGURED = "as configured"


@dataclass(frozen=True)
class Outcome:
    """What a test costs under a policy, by metric.

    `changes` has by how much an amount is above the one as configured, as far as that is no noise.
    `workers` is how many a host holds of those that have lived through the test, and `lasting` how
    many in the long run. `lasting_bytes` is what a worker has for itself then, in each layout.
    `failed` says why nothing was measured, "" where it was. `requests` are the GET requests that
    warmed up, where any did.
    """

    name: str
    policy: Policy
    amounts: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    workers: int = 0
    lasting: int = 0
    lasting_bytes: tuple[int, ...] = ()
    failed: str = ""
    requests: Requests = ()


@dataclass(frozen=True)
class Helps:
    """The policy that helps a test most, and what that changes, in bytes: `private`, and `aged`."""

    policy: str
    private: int
    aged: int


@dataclass(frozen=True)
class Advised:
    """What an app is to do: the outcome that is best for the test with fewest workers.

    `app` is its name among others, and `target` what to import. The outcome's policy has what the
    app does already too, since lines to paste may stand in the place of its own. `before` is how
    many workers a host holds in the long run as configured. `best` is None where no policy helps.
    `interface` is the app's (model/facts.py).
    """

    app: str
    target: str
    before: int
    best: Outcome | None = None
    interface: str = "wsgi"
