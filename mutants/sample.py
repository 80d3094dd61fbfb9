"""Keep a seeded sample of the mutants in a cosmic-ray session, which lists every one it can make.

Runs in the copy that mutants/run makes: `python mutants/sample.py SESSION COUNT SEED`.
"""

import random
import re
import sys
from collections import defaultdict

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkItem

# Mutants that no test can tell from the original, or that none has to:
# - `|` is the union of an annotation almost everywhere, and annotations are not run;
# - `is` and `==` agree on None, on enum members and on small numbers.
LEFT_OUT = re.compile(
    "core/ReplaceBinaryOperator_BitOr_"
    "|core/ReplaceComparisonOperator_(Is_Eq|Eq_Is|IsNot_NotEq|NotEq_IsNot)$"
)
# The file that only other Pythons run: each traces by the interface that it has.
NOT_RUN = "settrace.py" if sys.version_info >= (3, 12) else "monitoring.py"


def place(item: WorkItem) -> tuple[str, tuple[int, int]]:
    """The file and position that a mutant changes."""
    (mutation,) = item.mutations
    return str(mutation.module_path), mutation.start_pos


def kind(item: WorkItem) -> tuple[str, int]:
    """What a mutant does at its place: the operator, and which of its variants."""
    (mutation,) = item.mutations
    return mutation.operator_name, mutation.occurrence


def sample(items: list[WorkItem], count: int, seed: int) -> list[WorkItem]:
    """One mutant for each of `count` places: a comparison alone has nine variants."""
    by_place: dict[object, list[WorkItem]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (place(item), kind(item))):
        if not LEFT_OUT.match(kind(item)[0]) and not place(item)[0].endswith(NOT_RUN):
            by_place[place(item)].append(item)
    drawing = random.Random(seed)
    places = drawing.sample(list(by_place), min(count, len(by_place)))
    return [drawing.choice(by_place[chosen]) for chosen in places]


def main() -> None:
    session, count, seed = sys.argv[1:]
    with use_db(session, WorkDB.Mode.open) as database:
        items = list(database.work_items)
        kept = sample(items, int(count), int(seed))
        database.clear()
        database.add_work_items(kept)
    print(f"{len(kept)} of {len(items)} mutants, seed {seed}")


if __name__ == "__main__":
    main()
