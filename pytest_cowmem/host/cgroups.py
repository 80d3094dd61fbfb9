"""The memory limits of this process's control groups. Runs in the `cowmem doctor` process.

Source: cgroups(7), and memory.max and memory.high in Documentation/admin-guide/cgroup-v2.rst.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pytest_cowmem.host.procfs import PAGE

_LIMIT_FILES = ("memory.limit_in_bytes", "memory.max", "memory.high")  # the first: version 1


class Limit(NamedTuple):
    """A limit in bytes, and the file that sets it."""

    amount: int
    file: Path


def lowest_memory_limit(root: Path = Path("/")) -> Limit | None:
    """The lowest limit of this process's group and of those around it.

    None where none is below the machine's memory. LookupError where the group cannot be seen.
    """
    group = _memory_group(root / "proc/self/cgroup")
    if group is None:
        return None
    controller, path = group
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE
    folders = _visible_folders(root, controller, path)
    return min((limit for limit in _limits(folders) if limit.amount < memory), default=None)


def _memory_group(listing: Path) -> tuple[str, PurePosixPath] | None:
    """(controller, path) of the group that limits memory; None without control groups.

    The controller is in one hierarchy: version 1's "memory", else version 2's, named "".
    """
    if not listing.exists():
        return None
    groups = {}
    for line in listing.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = PurePosixPath(path)
    for controller in ("memory", ""):
        if controller in groups:
            return controller, groups[controller]
    return None


def _visible_folders(root: Path, controller: str, path: PurePosixPath) -> list[Path]:
    """The folders of the group and of those around it. LookupError where no mount shows it."""
    for top, point in _mounts(root / "proc/self/mountinfo", controller):
        if path.is_relative_to(top):
            mounted = root / point.lstrip("/")
            group = path.relative_to(top)
            if (mounted / group).is_dir():
                return [mounted / part for part in (group, *group.parents)]
    raise LookupError(f"the control group {path} is not mounted")


def _mounts(listing: Path, controller: str) -> Iterator[tuple[str, str]]:
    """(the group at its top, mount point) of each mount of the controller's hierarchy."""
    for line in listing.read_text().splitlines():
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        if controller:
            fits = kind == "cgroup" and controller in options.split(",")
        else:
            fits = kind == "cgroup2"
        if fits:
            top, point = mount.split()[3:5]
            yield top, point


def _limits(folders: list[Path]) -> Iterator[Limit]:
    for folder in folders:
        for name in _LIMIT_FILES:
            file = folder / name
            text = file.read_text().strip() if file.exists() else "max"
            if text != "max":
                yield Limit(int(text), file)
