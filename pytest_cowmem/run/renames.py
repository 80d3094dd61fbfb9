"""Which entry of the baseline a renamed or moved test has. Runs in the pytest process."""

from collections.abc import Mapping

from pytest_cowmem.judge import renames
from pytest_cowmem.model.baseline import Entry
from pytest_cowmem.run import gone
from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.session import Session


class Renames:
    """Finds the former ids of tests without an entry."""

    def __init__(self, session: Session, collected: Collected) -> None:
        self._session, self._collected = session, collected
        self._gone: dict[str, Mapping[str, Entry]] = {}  # by profile; to find them takes a walk

    def former_id(self, profile: str, test: str, source: str) -> str | None:
        """The id that a test had, None where that is not known (judge/renames.py)."""
        return renames.former_id(test, source, self._of(profile))

    def _of(self, profile: str) -> Mapping[str, Entry]:
        if profile not in self._gone:
            tests = self._session.baseline.profiles[profile].tests
            found = gone.find(self._session, self._collected, [profile], ())
            self._gone[profile] = {test: tests[test] for _, test in found}
        return self._gone[profile]
