"""The memory limits of this process's control groups. Runs in the `cowmem doctor` process.

Source: cgroups(7), and memory.max and memory.high in Documentation/admin-guide/cgroup-v2.rst.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pytest_cowmem.host.procfs import PAGE

_LIMIT_FILES = ("memory.limit_in_bytes", "memory.max", "memory.high")  # the first: version 1


def lowest_memory_limit(root: Path = Path("/")) -> tuple[int, Path] | None:
    """(bytes, file) of the lowest limit of this process's group and of those around it.

    None where none is below the machine's memory. LookupError where the group cannot be seen.
    """
    listing = root / "proc/self/cgroup"
    if not listing.exists():
        return None
    groups = {}
    for line in listing.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    # A controller is in one hierarchy: version 1's "memory", else version 2's, which is named "".
    for controller in ("memory", ""):
        if controller in groups:
            folders = _visible_folders(root, controller, groups[controller])
            memory = os.sysconf("SC_PHYS_PAGES") * PAGE
            return min((limit for limit in _limits(folders) if limit[0] < memory), default=None)
    return None


def _visible_folders(root: Path, controller: str, path: PurePosixPath) -> list[Path]:
    """The folders of the group and of those around it. LookupError where no mount shows it."""
    kind_of_mount = "cgroup" if controller else "cgroup2"
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        top, point = mount.split()[3:5]
        fits = kind == kind_of_mount and (not controller or controller in options.split(","))
        if fits and path.is_relative_to(top):
            group = path.relative_to(top)
            folders = [root / point.lstrip("/") / part for part in (group, *group.parents)]
            if folders[0].is_dir():
                return folders
    raise LookupError(f"the control group {path} is not mounted")


def _limits(folders: list[Path]) -> Iterator[tuple[int, Path]]:
    for file in [folder / name for folder in folders for name in _LIMIT_FILES]:
        text = file.read_text().strip() if file.exists() else "max"
        if text != "max":
            yield int(text), file
