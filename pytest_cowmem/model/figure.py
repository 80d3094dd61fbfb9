"""One metric of a test, as it was measured or accepted. Runs in the pytest process; no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What is known of one metric: bytes, nanoseconds or a count.

    `amount` is the mean over `layouts` layouts, `first` the amount of the first of them, and
    `deviation` their standard deviation. `layouts` is 0 where the metric does not vary with them.
    `spread` is the distance within which three of four rounds lie. `beside` is a time, and the one
    that it is seen beside, of one round.
    """

    amount: int
    first: int
    deviation: float = 0
    layouts: int = 0
    spread: int = 0
    beside: tuple[int, int] | None = None
