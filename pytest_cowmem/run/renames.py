"""Which entry of the baseline a renamed or moved test has. Runs in the pytest process."""

from pytest_cowmem.run import gone
from pytest_cowmem.run.collection import Collected
from pytest_cowmem.run.session import Session


class Renames:
    """Finds the former ids of tests without an entry."""

    def __init__(self, session: Session, collected: Collected) -> None:
        self._session, self._collected = session, collected
        self._gone: dict[str, list[str]] = {}  # by profile; to find them takes a walk

    def former_id(self, profile: str, test: str, source: str) -> str | None:
        """The id that a test had: of the same source, app and parameters, and gone.

        `source` is the hash of source and app. None where there is no such id, or more than one.
        """
        tests = self._session.baseline.profiles[profile].tests
        alike = [old for old in self._of(profile) if tests[old].source == source]
        alike = [old for old in alike if _parameters(old) == _parameters(test)]
        return alike[0] if len(alike) == 1 else None

    def _of(self, profile: str) -> list[str]:
        if profile not in self._gone:
            found = gone.find(self._session, self._collected, [profile], ())
            self._gone[profile] = [test for _, test in found]
        return self._gone[profile]


def _parameters(test: str) -> str:
    return test.partition("[")[2]
