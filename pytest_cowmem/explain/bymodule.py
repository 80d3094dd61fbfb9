"""Private bytes by module. Runs in the pytest process; no I/O.

A page fault belongs to the line that makes the heap grow. The memory may be kept by another module,
and that is the one to look at.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence


def by_module(
    charges: Iterable[tuple[str, int, int]], kept: Mapping[str, int], leaked: Mapping[str, int]
) -> dict[str, int]:
    """Bytes by module. `charges` are (module, bytes, late bytes of these), and their sum stays.

    What a module's containers keep, in bytes, is moved to that module: what they `leaked`, and what
    they `kept` besides. The module's own bytes are taken before another's, and then those of the
    module that has most. Late bytes are taken first for what leaked, and early ones for the rest.
    """
    early, late, moved = Counter[str](), Counter[str](), Counter[str]()
    for module, size, late_size in charges:
        early[module] += size - late_size
        late[module] += late_size
    for wanted, periods in ((leaked, (late, early)), (kept, (early, late))):
        for keeper, size in wanted.items():
            moved[keeper] += _taken(periods, keeper, size)
    return dict(early + late + moved)  # adding drops modules of which nothing is left


def _taken(periods: Sequence[Counter[str]], keeper: str, wanted: int) -> int:
    """Take up to `wanted` bytes, the keeper's own first; the bytes taken."""
    left = wanted
    for charged in periods:
        left -= _take(charged, [keeper], left)
    for charged in periods:
        left -= _take(charged, sorted(charged, key=lambda name: -charged[name]), left)
    return wanted - left


def _take(charged: Counter[str], modules: Iterable[str], wanted: int) -> int:
    left = wanted
    for module in modules:
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
