"""A module of the app that is imported after the fork. The importing line is charged for it."""

SEEN: list[bytes] = []
FIRST = {str(number): number for number in range(12_000)}
SECOND = {str(number): number for number in range(12_000, 24_000)}
THIRD = {str(number): number for number in range(24_000, 36_000)}


def remember() -> None:
    for number in range(3_000):
        SEEN.append(b"%d" % number * 600)  # keep_in_late_module
