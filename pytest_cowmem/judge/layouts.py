"""What a difference between figures of several layouts is worth. Pure. Runs in the pytest process.

Forks of one zygote agree to the page, and zygotes of other layouts do not. So a layout is the unit
of replication, and noise is the standard deviation over layouts.
"""

import math

# Differences of means that differ by chance alone exceed 3.5 standard errors in 1 of 250 tests
# where five and five layouts estimate the error (Student's t, 8 degrees of freedom), beyond what is
# tolerated anyway.
_ERRORS = 3.5
# Bytes of standard deviation over layouts: what six apps had in the middle. A lower one over five
# layouts is luck (docs/explanation/accuracy.md, "False alarms").
_LEAST = 44 * 1024
# Bytes of an arena of pymalloc since CPython 3.10 (Include/internal/pycore_obmalloc.h). Garbage
# holds one more or less, and how many of five layouts do is luck. One of five that does makes a
# deviation of 0.44 arenas, so from a quarter on a lower one than an arena is not believed.
_ARENA = 1 << 20
_LEAST_OF_ARENAS = _ARENA / 4


def noise(*sides: tuple[float, int], arenas: bool = True) -> float:
    """What chance may make of the difference of two means.

    `sides` has the standard deviation of each, and the number of layouts it is over. `arenas` says
    that the figures count arenas of the worker's own.
    """
    squares = sum((layouts - 1) * deviation**2 for deviation, layouts in sides)
    freedom = sum(layouts - 1 for _, layouts in sides)
    by_arenas = arenas and any(deviation >= _LEAST_OF_ARENAS for deviation, _ in sides)
    variance = max(squares / max(freedom, 1), (_ARENA if by_arenas else _LEAST) ** 2)
    return _ERRORS * math.sqrt(variance * sum(1 / layouts for _, layouts in sides))
