"""How pytest was called, as far as a command to be copied repeats it.

Runs in the pytest process; no I/O.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Invocation:
    """What of the command line picks tests, and the baseline.

    `selection` has the words that picked tests, none where all were asked for. `root` is the root
    folder, as seen from the folder that pytest was called in. `baseline` is what was given with
    `--cowmem-baseline`, if anything. `report` is the JSON report of a run of a CI service, where it
    writes one: nobody has to measure again, on a machine of another profile, to accept what it has.
    `against` is the commit that `cowmem against` was given. `joined` says that `cowmem merge` made
    one of calls with other words each: together they need not have asked for all tests.
    """

    selection: tuple[str, ...] = ()
    root: str = "."
    baseline: str = ""
    report: str = ""
    against: str = ""
    joined: bool = False

    @property
    def of_some(self) -> bool:
        """Whether there may be tests that were not asked for."""
        return bool(self.selection) or self.joined

    def run(self, tests: Sequence[str] = ()) -> str:
        """The command that measures these tests again, and says why; without any, all."""
        picked = [self._from_here(test) for test in tests] or self.selection
        if self.against:
            return shlex.join(["cowmem", "against", self.against, *picked, "--cowmem-explain"])
        return shlex.join(["pytest", *picked, "--cowmem", *self._where, "--cowmem-explain"])

    def update(self, tests: Sequence[str] = ()) -> str:
        """The command that accepts what these tests measure; without any, all.

        There is none where a commit's code is what they were held to.
        """
        if self.against:
            return ""
        if self.report:
            return shlex.join(["cowmem", "accept", self.report, *tests])
        picked = [self._from_here(test) for test in tests] or self.selection
        # The tests come first: --cowmem-update would take one for its mode.
        return shlex.join(["pytest", *picked, "--cowmem", *self._where, "--cowmem-update"])

    @property
    def _where(self) -> list[str]:
        return [f"--cowmem-baseline={self.baseline}"] if self.baseline else []

    def _from_here(self, test: str) -> str:
        return test if self.root == "." else f"{self.root}/{test}"
