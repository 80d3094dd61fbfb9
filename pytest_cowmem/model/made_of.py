"""What the tests of a run are made of. Runs in the pytest process; no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MadeOf:
    """The files of a run's tests, by absolute paths, and what they have preloaded.

    `root` is pytest's root folder, and `config` its configuration file, "" where it has none.
    `files` has test files and conftests, and `folders` what pytest was told to look into.
    `patterns` says how names of test files look. `pythonpath` is the setting. `targets` names the
    apps that settings and markers name: what a fixture returns is not known yet.
    """

    root: str
    config: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    patterns: tuple[str, ...]
    pythonpath: tuple[str, ...]
    targets: tuple[str, ...]
