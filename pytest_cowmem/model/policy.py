"""What a master could do before it forks, to be tried. Runs in the pytest process; no I/O."""

import sys
from dataclasses import dataclass

ALL = sys.maxsize  # requests: as many as the test makes


@dataclass(frozen=True)
class Policy:
    """What is done in a fork of the master, which then forks the measured worker.

    `imports` names modules to import. `requests` is how many of the test's requests are served, ALL
    for its whole body. `freeze` is whether gc.freeze() is called last.
    """

    imports: tuple[str, ...] = ()
    requests: int = 0
    freeze: bool = False
