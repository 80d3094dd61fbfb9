"""What a difference between figures of several layouts is worth. Pure. Runs in the pytest process.

Forks of one zygote agree to the page, and zygotes of other layouts do not. So a layout is the unit
of replication, and noise is the standard deviation over layouts.
"""

import math
import statistics
from collections.abc import Sequence

# Differences of means that differ by chance alone exceed 3.5 standard errors in 1 of 250 tests
# where five and five layouts estimate the error (Student's t, 8 degrees of freedom), beyond what is
# tolerated anyway.
_ERRORS = 3.5
# Bytes of standard deviation over layouts: what six apps had in the middle. A lower one over five
# layouts is luck (docs/explanation/accuracy.md, "False alarms").
_LEAST = 44 * 1024


def noise(amounts: Sequence[int], deviation: float, layouts: int) -> float:
    """What chance may make of the difference between the mean of `amounts` and another mean.

    `amounts` holds one a layout. The other mean is over `layouts`, with a standard deviation of
    `deviation`.
    """
    squares = (layouts - 1) * deviation**2
    if len(amounts) > 1:
        squares += (len(amounts) - 1) * statistics.variance(amounts)
    variance = max(squares / max(len(amounts) + layouts - 2, 1), _LEAST**2)
    return _ERRORS * math.sqrt(variance * (1 / len(amounts) + 1 / layouts))
