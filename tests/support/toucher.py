"""A program that takes and gives back memory as it is told on its standard input, line by line.

It is no fork of the tests': a page counts as its own too once everybody else has copied theirs.
"""

import mmap
import sys

PAGES = 2_000  # of an area
areas: dict[str, mmap.mmap] = {}


def obey(verb: str, name: str, first: str = "0", count: str = "0") -> None:
    """Do "map NAME", "touch NAME FIRST COUNT", "grow NAME", "forget NAME" or "unmap NAME"."""
    if verb == "map":
        areas[name] = mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE)
    elif verb == "touch":
        area = areas[name]
        for page in range(int(first), int(first) + int(count)):
            area[page * mmap.PAGESIZE] = 1
    elif verb == "grow":
        areas[name].resize(2 * PAGES * mmap.PAGESIZE)
    elif verb == "forget":
        areas[name].madvise(mmap.MADV_DONTNEED)
    else:
        areas.pop(name).close()


if __name__ == "__main__":
    for line in sys.stdin:
        obey(*line.split())
        print("done", flush=True)
