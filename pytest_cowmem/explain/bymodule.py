"""Private bytes by module. Runs in the pytest process; no I/O.

A page fault belongs to the line that makes the heap grow. The memory may be kept by another module,
and that is the one to look at.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping


def by_module(charges: Iterable[tuple[str, int, int]], kept: Mapping[str, int]) -> dict[str, int]:
    """Bytes by module. `charges` are (module, bytes, late bytes of these), and their sum stays.

    What a module's containers keep (`kept`, in bytes) is moved to that module. Late bytes are taken
    before early ones, since a leak is late. The module's own are taken before another's, and then
    those of the module that has most.
    """
    early, late, moved = Counter[str](), Counter[str](), Counter[str]()
    for module, size, late_size in charges:
        early[module] += size - late_size
        late[module] += late_size
    for keeper, size in kept.items():
        left = size
        for charged in (late, early):
            left -= _take(charged, keeper, left)
        moved[keeper] += size - left
    return dict(early + late + moved)  # adding drops modules of which nothing is left


def _take(charged: Counter[str], keeper: str, wanted: int) -> int:
    """Take up to `wanted` bytes from `charged`, the keeper's own first; the bytes taken."""
    left = wanted
    for module in sorted(charged, key=lambda module: (module != keeper, -charged[module])):
        taken = min(left, charged[module])
        charged[module] -= taken
        left -= taken
    return wanted - left


def home(container: str, modules: Collection[str]) -> str:
    """The module that a container's name begins with; classes and attributes follow in it."""
    name = container.rpartition(".")[0]
    while "." in name and name not in modules:
        name = name.rpartition(".")[0]
    return name
