"""Bytes by module: of its lines, of collections that came there, and of what its containers keep. In the pytest process; no I/O."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping


def by_module(charges: Iterable[tuple[str, int, int]], kept: Mapping[str, int]) -> dict[str, int]:
    """Sums of `charges`, (module, bytes, late of these), in which what a module's containers keep, bytes in `kept`, counts for that module.

    The page fault of what is kept belongs to whoever allocates when the heap grows. So `kept` is taken off the others: off late bytes
    before early ones, since a leak's are late, off the module's own first, and then off the largest. The total stays what it was.
    """
    early, late = Counter[str](), Counter[str]()
    for module, size, later in charges:
        early[module] += size - later
        late[module] += later
    given: Counter[str] = Counter()
    for module, size in kept.items():
        for pool in (late, early):
            for giver in sorted(pool, key=lambda it: (it != module, -pool[it])):
                taken = min(size, pool[giver])
                pool[giver] -= taken
                given[module] += taken
                size -= taken
    sums = early + late + given  # without those of which nothing is left
    return dict(sums)


def home(container: str, modules: Collection[str]) -> str:
    """The module in whose name a container's name begins, which goes on with classes, functions and attributes."""
    name = container.rpartition(".")[0]
    while "." in name and name not in modules:
        name = name.rpartition(".")[0]
    return name
