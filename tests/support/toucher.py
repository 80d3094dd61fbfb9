"""A program that takes and gives back memory as it is told on its standard input, line by line.

It is no fork of the tests': a page counts as its own too once everybody else has copied theirs.
Like a traced worker it has small pages: 3.15's pymalloc asks for huge ones, and the kernel's
khugepaged then fills what was never touched, at any time.
"""

import mmap
import os
import signal
import sys

from pytest_cowmem.zygote import ballast
from pytest_cowmem.zygote.trace.populate import use_small_pages

PAGES = 2_000  # of an area
areas: dict[str, mmap.mmap] = {}
forks: dict[str, int] = {}

# The program's own objects find room in pages that it has: every other object of each of pymalloc's
# size classes is dropped.
kept = [ballast._of_size(size, index) for size in range(16, 513, 16) for index in range(400)]
del kept[::2]


def obey(verb: str, name: str, first: str = "0", count: str = "0") -> None:
    """Do "map NAME", "touch NAME FIRST COUNT", "grow NAME", "forget NAME" or "unmap NAME".

    "fork NAME" has a fork that shares all there is, until "end NAME".
    """
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
    elif verb == "fork":
        if not (pid := os.fork()):
            signal.pause()
        forks[name] = pid
    elif verb == "end":
        os.kill(forks[name], signal.SIGKILL)
        os.waitpid(forks.pop(name), 0)
    else:
        areas.pop(name).close()


if __name__ == "__main__":
    use_small_pages()
    for line in sys.stdin:
        obey(*line.split())
        print("done", flush=True)
    for left in [*forks]:
        obey("end", left)
