"""Join what a leak round found with the containers of a traced one. In the pytest process; no I/O.

A traced round knows the bytes of what hangs near a module, and a leak round what grows with
requests, however deep it hangs.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_cowmem.explain.bymodule import home
from pytest_cowmem.explain.leak_round import Keeper
from pytest_cowmem.explain.places import shown
from pytest_cowmem.model.explanation import Container

_LEAST_SHARE = 0.1  # of what the first keeps, from which on another one is worth a word


def with_leaks(
    containers: Iterable[Container],
    keepers: Sequence[Keeper],
    modules: Collection[str],
    rootdir: Path,
) -> tuple[Container, ...]:
    """All containers, those that grow with requests first. `modules` are all there are.

    Bytes are told once: not with what leads to a growing container, nor with what lies in one.
    """
    traced = {container.name: container for container in containers}
    growing: list[Container] = []
    for keeper in keepers:
        if keeper.bytes < keepers[0].bytes * _LEAST_SHARE:
            continue
        known = traced.pop(keeper.traced, None)
        if any(_leads_to(other.name, keeper.name) for other in growing):
            continue
        growing.append(_grows(known or _of(keeper, modules), keeper, modules, rootdir))
    rest = []
    for container in traced.values():
        inside = sum(it.bytes for it in growing if _leads_to(container.name, it.name))
        if container.bytes > inside:
            rest.append(replace(container, bytes=container.bytes - inside))
    return (*growing, *rest)


def _of(keeper: Keeper, modules: Collection[str]) -> Container:
    """A container that no traced round knows."""
    module = home(keeper.name, modules)
    return Container(keeper.name, module, keeper.before, keeper.after, 0, "", 0, keeper.unit)


def _bytes(keeper: Keeper) -> int:
    """What a container has taken since the fork. All its entries are taken for alike."""
    return round(keeper.bytes / keeper.entries * (keeper.after - keeper.before))


def _grows(
    container: Container, keeper: Keeper, modules: Collection[str], rootdir: Path
) -> Container:
    """A container with what is known of its growth.

    A traced round does not know of memory of C code, such as an array's of numpy.
    """
    grown = replace(
        container,
        bytes=max(container.bytes, _bytes(keeper)),
        name=keeper.name,
        module=home(keeper.name, modules),
        unit=keeper.unit,
        a_request=keeper.entries,
        bytes_a_request=keeper.bytes,
        bound=keeper.bound,
    )
    if not keeper.path:
        return grown
    return replace(grown, path=shown(keeper.path, rootdir), line=keeper.line)


def _leads_to(name: str, other: str) -> bool:
    """Whether a container's name is the beginning of the way to another."""
    return other.startswith((f"{name}.", f"{name}["))
